"""The recipes for images: the protocol's settings, as `paper` published them and as `sound` mends them.

What differs between the two, and nothing else does:

- SSM: `paper` has LeakyReLU, on which score matching is degenerate, and sums over an image's last axis alone; `sound`
  has SiLU, and sums over all pixels.
- VERA: `paper` weighs the gradient penalty by 0.1 / B^2 (B rows a batch), `sound` by 0.1.
- CD with labels: `paper` takes 20 steps in class-conditional chains whatever is configured, `sound` takes 100.

The protocol says nothing of how long the flows train; here they stop when the held-out likelihood does not improve.
Flows see no augmented images, whose resampled values are no bytes that could be dequantize.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ebmood.core.errors import EbmoodError
from ebmood.data.augmentation import Augmentation
from ebmood.models import EnergyWideResNet, Glow, RealNVP
from ebmood.objectives import CD, SSM, VERA, AdamW, Likelihood
from ebmood.recipes.embedding import Classifier, ClassifierScore
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.variant import Variant
from ebmood.samplers import SGLD
from ebmood.training import Training

INPUT_NOISE = 0.1


@dataclass(frozen=True)
class Pixels:
    """What a recipe for images needs to know.

    Attributes:
        batch_size: rows a batch: the protocol's are 64 for FMNIST and 32 for CIFAR-10.
        bottleneck: the network's, or None.
        classifier: whose own scores the classifier baselines are.
    """

    batch_size: int
    bottleneck: float | None
    classifier: Classifier


def ssm(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """Sliced score matching."""
    activation, over = ("leaky_relu", "last") if variant == "paper" else ("silu", None)
    return Recipe(
        method="ssm",
        title="SSM",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyWideResNet(activation=activation, bottleneck=pixels.bottleneck),
        objective=SSM(over=over, optimiser=AdamW(lr=1e-4)),
        training=_training(pixels, epochs=50, input_noise=INPUT_NOISE),
    )


def cd(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """Contrastive divergence; with labels, chains are class-conditional. Without, both variants are one."""
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
        model=EnergyWideResNet(bottleneck=pixels.bottleneck),
        objective=objective,
        training=_training(pixels, epochs=20, input_noise=INPUT_NOISE),
    )


def vera(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """VERA."""
    penalty = 0.1 / pixels.batch_size**2 if variant == "paper" else 0.1
    return Recipe(
        method="vera",
        title="VERA",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyWideResNet(bottleneck=pixels.bottleneck),
        objective=VERA(noise=128, resnet_channels=128, gradient_penalty=penalty),
        training=_training(pixels, epochs=20, drops=(15, 18)).updated(warmup=0),
    )


def realnvp(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """RealNVP at the paper's size."""
    return _flow("realnvp", "RealNVP", RealNVP(), 1e-4, gamma, pixels)


def glow(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """Glow at the paper's size."""
    return _flow("glow", "Glow", Glow(), 1e-3, gamma, pixels)


def max_softmax(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """The classifier's largest probability (Hendrycks & Gimpel 2017)."""
    score = ClassifierScore(score="max-softmax", classifier=pixels.classifier)
    return _classifier("Max-softmax", score, gamma, pixels)


def logsumexp(variant: Variant, gamma: float | None, pixels: Pixels) -> Recipe:
    """The classifier's energy (Liu et al. 2020)."""
    score = ClassifierScore(score="logsumexp", classifier=pixels.classifier)
    return _classifier("Logsumexp", score, gamma, pixels)


IMAGE_METHODS: dict[str, Callable[[Variant, float | None, Pixels], Recipe]] = {
    "ssm": ssm,
    "cd": cd,
    "vera": vera,
    "realnvp": realnvp,
    "glow": glow,
    "max-softmax": max_softmax,
    "logsumexp": logsumexp,
}
"""Every method a study of images may name. A new one is a function above and a line here."""


def _training(
    pixels: Pixels, epochs: int, input_noise: float | None = None, drops: tuple[int, ...] | None = None
) -> Training:
    return Training(
        epochs=epochs,
        batch_size=pixels.batch_size,
        halve_every=1_000 if drops is None else None,
        drops=drops,
        augmentation=Augmentation(),
        input_noise=input_noise,
    )


def _flow(
    method: str, title: str, model: RealNVP | Glow, rate: float, gamma: float | None, pixels: Pixels
) -> Recipe:
    _refuse(method, gamma, pixels)
    return Recipe(
        method=method,
        title=title,
        family="flow",
        variant="both",
        model=model,
        objective=Likelihood(optimiser=AdamW(lr=rate)),
        training=Training(epochs=100, batch_size=pixels.batch_size, warmup=0, validate_every=2, patience=5),
    )


def _classifier(title: str, model: ClassifierScore, gamma: float | None, pixels: Pixels) -> Recipe:
    _refuse(model.score, gamma, pixels)
    return Recipe(
        method=model.score,
        title=title,
        family="baseline",
        variant="both",
        shortened=model.classifier.shortened,
        model=model,
    )


def _refuse(method: str, gamma: float | None, pixels: Pixels) -> None:
    if gamma is not None:
        raise EbmoodError(f"method {method!r} takes no gamma; remove its key 'gamma'")
    if pixels.bottleneck is not None:
        raise EbmoodError(f"method {method!r} has no bottleneck; remove its key 'bottleneck'")
