"""The recipes for images: the protocol's settings, in the variants `paper` and `corrected`.

The two variants differ only in this:

- SSM: `paper` has LeakyReLU, on which score matching is degenerate, and sums over the last axis of an image only;
  `corrected` has SiLU and sums over all pixels.
- VERA: `paper` weights the gradient penalty by 0.1 / B^2 (B is the batch size), `corrected` by 0.1.
- CD with labels: `paper` takes 20 steps in class-conditional chains, regardless of the setting; `corrected` takes 100.

The protocol does not define the training time of flows; here they stop when the validation likelihood does not improve.
The training images of flows are not augmented, because resampled pixel values are not bytes and cannot be dequantized.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ebmood.core.errors import EbmoodError
from ebmood.data.augmentation import Augmentation
from ebmood.models import EnergyWideResNet, Glow, RealNVP
from ebmood.objectives import CD, SSM, VERA, AdamW, Likelihood
from ebmood.recipes.classifier import Classifier
from ebmood.recipes.classifier_score import ClassifierScore
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.variant import Variant
from ebmood.samplers import SGLD
from ebmood.training import Training

INPUT_NOISE = 0.1
"""Standard deviation of the noise that is added to images in [-1, 1]."""


@dataclass(frozen=True)
class ImageOptions:
    """Options of a recipe for images.

    Attributes:
        batch_size: rows per batch: in the protocol, 64 for FMNIST and 32 for CIFAR-10.
        bottleneck: fraction of channels that remain in the network's bottlenecks, or None for no bottlenecks.
        classifier: the classifier whose scores are the baselines.
    """

    batch_size: int
    bottleneck: float | None
    classifier: Classifier


def ssm(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of sliced score matching."""
    activation, over = ("leaky_relu", "last") if variant == "paper" else ("silu", None)
    return Recipe(
        method="ssm",
        title="SSM",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyWideResNet(activation=activation, bottleneck=options.bottleneck),
        objective=SSM(over=over, optimiser=AdamW(lr=1e-4)),
        training=_training(options, epochs=50, input_noise=INPUT_NOISE),
    )


def cd(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of contrastive divergence. With labels, chains are class-conditional."""
    objective = CD(buffer=10_000, optimiser=AdamW(lr=1e-4))
    if gamma is None:
        variant = "both"
    else:
        chain = SGLD(steps=20) if variant == "paper" else SGLD()
        objective = objective.updated(class_conditional=True, class_entropy=1e-4, chain=chain)
    return Recipe(
        method="cd",
        title="CD",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyWideResNet(bottleneck=options.bottleneck),
        objective=objective,
        training=_training(options, epochs=20, input_noise=INPUT_NOISE),
    )


def vera(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of VERA."""
    penalty = 0.1 / options.batch_size**2 if variant == "paper" else 0.1
    return Recipe(
        method="vera",
        title="VERA",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyWideResNet(bottleneck=options.bottleneck),
        objective=VERA(noise=128, resnet_channels=128, gradient_penalty=penalty),
        training=_training(options, epochs=20, drops=(15, 18)).updated(warmup=0),
    )


def realnvp(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of a RealNVP with the paper's size."""
    return _flow("realnvp", "RealNVP", RealNVP(), 1e-4, gamma, options)


def glow(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of a Glow with the paper's size."""
    return _flow("glow", "Glow", Glow(), 1e-3, gamma, options)


def max_softmax(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of the classifier's largest probability (Hendrycks & Gimpel 2017)."""
    score = ClassifierScore(score="max-softmax", classifier=options.classifier)
    return _classifier("Max-softmax", score, gamma, options)


def logsumexp(variant: Variant, gamma: float | None, options: ImageOptions) -> Recipe:
    """Return the recipe of the classifier's energy (Liu et al. 2020)."""
    score = ClassifierScore(score="logsumexp", classifier=options.classifier)
    return _classifier("Logsumexp", score, gamma, options)


IMAGE_METHODS: dict[str, Callable[[Variant, float | None, ImageOptions], Recipe]] = {
    "ssm": ssm,
    "cd": cd,
    "vera": vera,
    "realnvp": realnvp,
    "glow": glow,
    "max-softmax": max_softmax,
    "logsumexp": logsumexp,
}
"""All methods that a study of images may name. A new method is a function above and one line here."""


def _training(
    options: ImageOptions, epochs: int, input_noise: float | None = None, drops: tuple[int, ...] | None = None
) -> Training:
    return Training(
        epochs=epochs,
        batch_size=options.batch_size,
        halve_every=1_000 if drops is None else None,
        drops=drops,
        augmentation=Augmentation(),
        input_noise=input_noise,
    )


def _flow(
    method: str, title: str, model: RealNVP | Glow, lr: float, gamma: float | None, options: ImageOptions
) -> Recipe:
    _check_options(method, gamma, options)
    return Recipe(
        method=method,
        title=title,
        family="flow",
        variant="both",
        model=model,
        objective=Likelihood(optimiser=AdamW(lr=lr)),
        training=Training(epochs=100, batch_size=options.batch_size, warmup=0, validate_every=2, patience=5),
    )


def _classifier(title: str, model: ClassifierScore, gamma: float | None, options: ImageOptions) -> Recipe:
    _check_options(model.score, gamma, options)
    return Recipe(
        method=model.score,
        title=title,
        family="baseline",
        variant="both",
        shortened=model.classifier.shortened,
        model=model,
    )


def _check_options(method: str, gamma: float | None, options: ImageOptions) -> None:
    if gamma is not None:
        raise EbmoodError(f"method {method!r} takes no labels; remove its key 'gamma'")
    if options.bottleneck is not None:
        raise EbmoodError(f"method {method!r} has no bottleneck; remove its key 'bottleneck'")
