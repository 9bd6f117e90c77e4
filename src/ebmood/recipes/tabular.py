"""The recipes for tables: the protocol's settings, as `paper` published them and as `sound` mends them.

What differs between the two, and nothing else does:

- SSM: `paper` has LeakyReLU, on which score matching is degenerate; `sound` has SiLU.
- VERA: `paper` weighs the gradient penalty by 0.1 / B^2 (B rows a batch), `sound` by 0.1.
- CD with labels: `paper` takes 20 steps in class-conditional chains whatever is configured, `sound` takes
  100.
"""

from typing import Any, Protocol

from ebmood.errors import EbmoodError
from ebmood.models import EnergyMLP, OutsideDetector, Radial, Spline
from ebmood.objectives import CD, SSM, VERA, AdamW, Likelihood
from ebmood.recipes.recipe import Recipe, Variant
from ebmood.samplers import SGLD
from ebmood.training import Training

BATCH = 512
"""The protocol's rows a batch, for tables."""


class Method(Protocol):
    """Makes the recipe of one method."""

    def __call__(self, variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
        """The recipe in a variant, with supervision of weight gamma or None, for batches of so many rows."""
        ...


def ssm(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Sliced score matching."""
    model = EnergyMLP() if variant == "paper" else EnergyMLP(activation="silu")
    return Recipe(
        method="ssm",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=model,
        objective=SSM(),
        training=Training(halve_every=1_000, batch_size=batch_size),
    )


def cd(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Contrastive divergence; with labels, chains are class-conditional. Without, both variants are one."""
    if gamma is None:
        variant, objective = "both", CD()
    else:
        chain = SGLD(steps=20) if variant == "paper" else SGLD()
        objective = CD(class_conditional=True, chain=chain)
    return Recipe(
        method="cd",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyMLP(),
        objective=objective,
        training=Training(halve_every=1_000, batch_size=batch_size),
    )


def vera(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """VERA."""
    penalty = 0.1 / batch_size**2 if variant == "paper" else 0.1
    if gamma is None:
        objective = VERA(gradient_penalty=penalty)
    else:
        fast = AdamW(lr=1e-3, betas=(0.0, 0.9))
        objective = VERA(gradient_penalty=penalty, activation="relu", energy=fast, generator=fast)
    return Recipe(
        method="vera",
        family="energy",
        variant=variant,
        gamma=gamma,
        model=EnergyMLP(slope=0.2),
        objective=objective,
        training=Training(batch_size=batch_size),
    )


def radial(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """The paper's flow: 20 radial layers, early stopping on the validation likelihood."""
    return _flow("radial", Radial(), gamma, batch_size)


def spline(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """A neural spline flow, trained like the paper's flow."""
    return _flow("spline", Spline(), gamma, batch_size)


def gmm(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """A Gaussian mixture of ten full covariances."""
    parameters = {"n_components": 10, "reg_covar": 1e-5}
    return _detector("gmm", "sklearn.mixture.GaussianMixture", parameters, gamma)


def knn(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Distance to the fifth nearest training row."""
    return _detector("knn", "ebmood.models.knn.KNearestNeighbours", {}, gamma)


def iforest(variant: Variant, gamma: float | None, batch_size: int = BATCH) -> Recipe:
    """Isolation forest as scikit-learn ships it."""
    return _detector("iforest", "sklearn.ensemble.IsolationForest", {}, gamma)


def outside_detector(detector: str, parameters: dict[str, Any]) -> Recipe:
    """Any detector of scikit-learn's kind, by the import path of its class.

    Raises:
        EbmoodError: it cannot be made: no such class, or a parameter that it does not take.
    """
    OutsideDetector(detector=detector, parameters=parameters).make(seed=0)
    return _detector(detector.rpartition(".")[2].lower(), detector, parameters, None)


METHODS: dict[str, Method] = {
    "ssm": ssm,
    "cd": cd,
    "vera": vera,
    "radial": radial,
    "spline": spline,
    "gmm": gmm,
    "knn": knn,
    "iforest": iforest,
}
"""Every method a study may name. A new one is a function above and a line here."""


def _flow(method: str, model: Radial | Spline, gamma: float | None, batch_size: int) -> Recipe:
    _refuse_labels(method, gamma)
    return Recipe(
        method=method,
        family="flow",
        variant="both",
        model=model,
        objective=Likelihood(),
        training=Training(warmup=0, validate_every=10, patience=10, batch_size=batch_size),
    )


def _detector(method: str, detector: str, parameters: dict[str, Any], gamma: float | None) -> Recipe:
    _refuse_labels(method, gamma)
    return Recipe(
        method=method,
        family="baseline",
        variant="both",
        model=OutsideDetector(detector=detector, parameters=parameters),
    )


def _refuse_labels(method: str, gamma: float | None) -> None:
    if gamma is not None:
        raise EbmoodError(f"method {method!r} takes no labels; remove its key 'gamma'")
