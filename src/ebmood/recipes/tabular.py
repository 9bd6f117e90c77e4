"""The recipes for tables: the protocol's settings, in the variants `paper` and `corrected`; and `modern` ones.

The first two variants differ only in this:

- SSM: `paper` has LeakyReLU, on which score matching is degenerate; `corrected` has SiLU.
- VERA: `paper` weights the gradient penalty by 0.1 / 512^2, where 512 is the protocol's batch size, `corrected` by
  0.1. Another `batch_size` in `training` does not change this weight.
- CD with labels: `paper` takes 20 steps in class-conditional chains, regardless of the setting; `corrected` takes 100.
"""

from collections.abc import Callable
from typing import Any, Protocol

from ebmood.core.errors import EbmoodError
from ebmood.models import AnchoredMLP, EnergyMLP, ExternalDetector, ModelSettings, Radial, Spline
from ebmood.objectives import CD, DSM, NCE, SSM, VERA, AdamW, Likelihood, ObjectiveSettings
from ebmood.recipes.modern import (
    modern_cd,
    modern_conditional_nce,
    modern_dsm,
    modern_energy_discrepancy,
    modern_nce,
    modern_residual,
    modern_vera,
)
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.variant import Variant
from ebmood.samplers import SGLD
from ebmood.training import Training

BATCH = 512
"""The protocol's batch size for tables."""

SMOOTH_MLP = EnergyMLP(activation="silu")
"""The protocol's network with a smooth activation."""


class Method(Protocol):
    """A function that returns the recipe of one method."""

    def __call__(self, variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
        """Return the recipe.

        Args:
            variant: `paper`, `corrected` or `modern`.
            gamma: weight of the cross-entropy, or None for training without labels.
            batch_size: rows per batch; the batches of modern recipes have a size of their own.

        Raises:
            EbmoodError: the method does not take labels and gamma is given.
        """
        ...


def energy_method(
    name: str,
    title: str,
    objective: ObjectiveSettings,
    model: ModelSettings = SMOOTH_MLP,
    training: Training | None = None,
    modern: Callable[[float | None], Recipe] | None = None,
) -> Method:
    """Return the method that trains an energy model with an objective; `paper` and `corrected` are one recipe.

    Args:
        name: name of the method in study files.
        title: name of the method in tables and figures.
        objective: settings of the objective.
        model: settings of the energy model.
        training: settings of the training; its batch size is replaced. None for the protocol's.
        modern: function of gamma that returns the recipe of the variant `modern`; None if all variants are one recipe.
    """

    def method(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
        if variant == "modern" and modern is not None:
            return modern(gamma)
        return Recipe(
            method=name,
            title=title,
            family="energy",
            variant="both",
            gamma=gamma,
            model=model,
            objective=objective,
            training=(training or Training(halve_every=1_000)).updated(batch_size=batch_size),
        )

    return method


def only_modern(modern: Callable[[float | None], Recipe]) -> Method:
    """Return a method that the paper does not have: all its variants are the modern recipe."""

    def method(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
        return modern(gamma)

    return method


def ssm(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of sliced score matching. Its modern variant is denoising score matching."""
    if variant == "modern":
        return _modern_dsm(gamma)
    return Recipe(
        method="ssm",
        title="SSM",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyMLP() if variant == "paper" else SMOOTH_MLP,
        objective=SSM(),
        training=Training(halve_every=1_000, batch_size=batch_size),
    )


def cd(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of contrastive divergence. With labels, chains are class-conditional."""
    if variant == "modern":
        return modern_cd(gamma)
    if gamma is None:
        variant, objective = "both", CD()
    else:
        chain = SGLD(steps=20) if variant == "paper" else SGLD()
        objective = CD(class_conditional=True, chain=chain)
    return Recipe(
        method="cd",
        title="CD",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyMLP(),
        objective=objective,
        training=Training(halve_every=1_000, batch_size=batch_size),
    )


def vera(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of VERA."""
    if variant == "modern":
        return modern_vera(gamma)
    penalty = 0.1 / batch_size**2 if variant == "paper" else 0.1
    if gamma is None:
        objective = VERA(gradient_penalty=penalty)
    else:
        optimiser = AdamW(lr=1e-3, betas=(0.0, 0.9))
        objective = VERA(gradient_penalty=penalty, activation="relu", energy=optimiser, generator=optimiser)
    return Recipe(
        method="vera",
        title="VERA",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyMLP(slope=0.2),
        objective=objective,
        training=Training(batch_size=batch_size),
    )


def radial(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of the paper's flow: 20 radial layers, early stopping on the validation likelihood."""
    return _flow("radial", "Radial flow", Radial(), gamma, batch_size)


def spline(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of a neural spline flow, trained like the paper's flow."""
    return _flow("spline", "Spline flow", Spline(), gamma, batch_size)


def gmm(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of a Gaussian mixture with ten full covariances."""
    parameters = {"n_components": 10, "reg_covar": 1e-5}
    return _detector("gmm", "Gaussian mixture", "sklearn.mixture.GaussianMixture", parameters, gamma)


def knn(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of the distance to the fifth nearest training row."""
    return _detector("knn", "kNN", "ebmood.models.knn.KNearestNeighbours", {}, gamma)


def memory(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of the memory energy, on which the default of the detector is built."""
    return _detector("memory", "Memory energy", "ebmood.models.memory_density.MemoryDensity", {}, gamma)


def base(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of the base of the modern energies, without their network."""
    return _detector("base", "Base mixture", "ebmood.models.base_density.BaseDensity", {}, gamma)


def iforest(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Return the recipe of scikit-learn's isolation forest."""
    return _detector("iforest", "Isolation forest", "sklearn.ensemble.IsolationForest", {}, gamma)


def external_detector(detector: str, parameters: dict[str, Any]) -> Recipe:
    """Return the recipe of a detector of another library with scikit-learn's interface.

    Args:
        detector: import path of the detector's class, such as `sklearn.svm.OneClassSVM`.
        parameters: arguments of its constructor.

    Raises:
        EbmoodError: the class does not exist or does not take a parameter.
    """
    ExternalDetector(detector=detector, parameters=parameters).make(seed=0)
    name = detector.rpartition(".")[2].lower()
    return _detector(name, name, detector, parameters, None)


METHODS: dict[str, Method] = {
    "ssm": ssm,
    "cd": cd,
    "vera": vera,
    "dsm": energy_method("dsm", "DSM", DSM(), modern=lambda gamma: _modern_dsm(gamma)),
    "nce": energy_method("nce", "NCE", NCE(), AnchoredMLP(), modern=modern_nce),
    "conditional-nce": only_modern(modern_conditional_nce),
    "energy-discrepancy": only_modern(modern_energy_discrepancy),
    "residual-cd": only_modern(modern_residual),
    "radial": radial,
    "spline": spline,
    "gmm": gmm,
    "knn": knn,
    "memory": memory,
    "base": base,
    "iforest": iforest,
}
"""All methods that a study may name, on tables and on embeddings. A new method is one line here."""


def _flow(method: str, title: str, model: Radial | Spline, gamma: float | None, batch_size: int) -> Recipe:
    _refuse_labels(method, gamma)
    return Recipe(
        method=method,
        title=title,
        family="flow",
        variant="both",
        model=model,
        objective=Likelihood(),
        training=Training(warmup=0, validate_every=10, patience=10, batch_size=batch_size),
    )


def _detector(
    method: str, title: str, detector: str, parameters: dict[str, Any], gamma: float | None
) -> Recipe:
    _refuse_labels(method, gamma)
    return Recipe(
        method=method,
        title=title,
        family="baseline",
        variant="both",
        model=ExternalDetector(detector=detector, parameters=parameters),
    )


def _modern_dsm(gamma: float | None) -> Recipe:
    _refuse_labels("dsm", gamma, " in its variant 'modern'")
    return modern_dsm()


def _refuse_labels(method: str, gamma: float | None, where: str = "") -> None:
    if gamma is not None:
        raise EbmoodError(f"method {method!r} takes no labels{where}; remove its key 'gamma'")
