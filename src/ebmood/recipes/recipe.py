"""A recipe: a model, how it is trained, and nothing of the data. `paper` and `sound` are values of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Annotated, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field

from ebmood.datasets.dataset import Split
from ebmood.datasets.units import model_rows, model_units
from ebmood.errors import DataWarning, DegenerateObjectiveWarning, EbmoodError
from ebmood.models import (
    DensityModel,
    EnergyMLP,
    EnergyWideResNet,
    Glow,
    OutsideDetector,
    Radial,
    RealNVP,
    Scorer,
    Spline,
)
from ebmood.objectives import AnyObjective, Objective, Supervised
from ebmood.recipes.embedding import IMAGES, ClassifierScore, Embedding, embedded
from ebmood.seeding import global_torch_stream, torch_stream
from ebmood.settings import Settings, digest
from ebmood.training import (
    BestState,
    Checkpoints,
    Hook,
    Progress,
    Report,
    Training,
    make_fabric,
    rank_seed,
    train,
)

Variant = Literal["paper", "sound", "both"]
AnyModel = Annotated[
    EnergyMLP | EnergyWideResNet | Glow | Radial | RealNVP | Spline | OutsideDetector | ClassifierScore,
    Field(discriminator="kind"),
]

PIECE = 1024
"""Rows of tables scored at once: the fastest piece for MLPs on a CPU, and a bound on memory."""

SHOWN = 64
"""Negatives that are kept to look at."""


class DensityScorer(Scorer):
    """A trained density model behind the one score interface.

    Args:
        model: what scores.
        device: where it is.
        noise: standard deviation of noise added to every input, as in training, or None.
        seed: of that noise. Each call draws it anew from the start, so that calls do not depend on each other.
    """

    def __init__(self, model: DensityModel, device: torch.device, noise: float | None = None, seed: int = 0):
        self.model = model
        self.device = device
        self.noise = noise
        self.seed = seed
        self.normalised = model.normalised

    @torch.no_grad()
    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """See `Scorer.score_samples`: the log-density, piece by piece."""
        was_training = self.model.training
        self.model.eval()
        generator = torch_stream(self.seed, "noise at test")
        size = PIECE if x.ndim == 2 else IMAGES
        # Filled piece by piece: small results kept between large ones would pin the heap, a layer's width for each row.
        scores = np.empty(len(x))
        for start in range(0, len(x), size):
            rows = model_rows(x[start : start + size])
            if self.noise is not None:
                rows = rows + self.noise * torch.empty_like(rows).normal_(generator=generator)
            scores[start : start + size] = self.model.log_density(rows.to(self.device)).cpu().numpy()
        self.model.train(was_training)
        return scores


@dataclass(frozen=True)
class Fitted:
    """What fitting a recipe gives.

    Attributes:
        scorer: the fitted model.
        history: of training, by column; empty for detectors.
        events: what was healed on the way.
        negatives: what the model learnt to tell from data, by the name of what made it: `(N, *shape)` each.
    """

    scorer: Scorer
    history: dict[str, list[float]]
    events: tuple[str, ...] = ()
    negatives: dict[str, np.ndarray] = field(default_factory=dict)


class Recipe(Settings):
    """A method with all its settings.

    Attributes:
        method: short name: `ssm`, `cd`, `vera`, `radial`, `spline`, `knn`, ...
        family: `energy`, `flow` or `baseline`.
        variant: `paper`, `sound`, or `both` where mending changes nothing in this recipe.
        gamma: weight of the cross-entropy; None for training without labels.
        shortened: trained for fewer steps than the protocol has.
        embedding: the classifier whose features are learnt from; None for the data themselves.
        model, objective, training: the settings; detectors of other libraries have the first alone.
    """

    method: str
    family: Literal["energy", "flow", "baseline"]
    variant: Variant
    gamma: float | None = None
    shortened: bool = False
    embedding: Embedding | None = None
    model: AnyModel
    objective: AnyObjective | None = None
    training: Training | None = None

    @property
    def label(self) -> str:
        """What progress bars call it, such as `ssm sound gamma=1`."""
        variant = "" if self.variant == "both" else f" {self.variant}"
        bottleneck = "" if self.bottleneck is None else f" bottleneck={self.bottleneck:g}"
        gamma = "" if self.gamma is None else f" gamma={self.gamma:g}"
        return self.method + variant + bottleneck + gamma + ("" if self.embedding is None else " embedding")

    @property
    def bottleneck(self) -> float | None:
        """The share of the channels that the network's bottlenecks let through, or None without any."""
        return self.model.bottleneck if isinstance(self.model, EnergyWideResNet) else None

    @property
    def degenerate(self) -> str | None:
        """Why the objective cannot learn on this recipe's network, or None."""
        if self.objective is None or isinstance(self.model, OutsideDetector | ClassifierScore):
            return None
        return self.objective.degenerate_on(self.model)

    def overridden(
        self,
        model: dict[str, object] | None = None,
        objective: dict[str, object] | None = None,
        training: dict[str, object] | None = None,
    ) -> Recipe:
        """This recipe with some settings changed; marked as shortened where it takes fewer steps.

        Raises:
            pydantic.ValidationError: an unknown key or a value of the wrong kind.
            EbmoodError: the recipe has no such part.
        """
        changes: dict[str, object] = {}
        for name, part, values in (
            ("model", self.model, model),
            ("objective", self.objective, objective),
            ("training", self.training, training),
        ):
            if not values:
                continue
            if part is None:
                raise EbmoodError(f"recipe {self.method!r} has no {name} to change; remove the key {name!r}")
            changes[name] = type(part).model_validate(_merged(part.model_dump(), values))
        changed = self.model_copy(update=changes)
        if self.training and changed.training and changed.training.shorter_than(self.training):
            changed = changed.model_copy(update={"shortened": True})
        return changed

    def sees(self, split: Split, seed: int, device: str = "cpu", report: Report | None = None) -> Split:
        """The split as this recipe sees it: itself, or the features that its embedding makes of it.

        Args:
            split: of the data.
            seed: of the classifier, if it is to be trained.
            device: `auto`, `cpu` or `cuda`.
            report: called now and then while the classifier trains.
        """
        if self.embedding is None:
            return split
        name = self.embedding.name

        def tell(progress: Progress) -> None:
            if report is not None:
                report(replace(progress, before=name))

        return embedded(split, self.embedding, seed, device, tell)

    def fit(
        self,
        split: Split,
        seed: int,
        device: str = "cpu",
        report: Callable[[Progress], None] | None = None,
        select_by: Callable[[Scorer], float] | None = None,
        checkpoints: Checkpoints | None = None,
        fabric: Fabric | None = None,
    ) -> Fitted:
        """Train on the split's in-distribution training rows.

        Args:
            split: its training rows are learnt from; its validation rows are read by early stopping alone.
            seed: of initialisation, order and noise.
            device: `auto`, `cpu` or `cuda`.
            report: called now and then while training.
            select_by: if given, the state that it rates highest, asked every ten epochs, is kept in place of
                the last one. Trained recipes only; detectors of other libraries have no states to choose
                from.
            checkpoints: where training goes on from and keeps its states, or None.
            fabric: from `make_fabric`, in place of `device`; for one model on several processes.

        Warns:
            DegenerateObjectiveWarning: the objective cannot learn a density on this recipe's network.
            DataWarning: the loss has no least value on these rows, or they are fewer than a batch.
            HealedWarning: training diverged, went back and on.

        Raises:
            EbmoodError: supervision is asked for and there are not two classes; training diverged.
        """
        if isinstance(self.model, OutsideDetector):
            return Fitted(self.model.fit(split, seed), {})
        if isinstance(self.model, ClassifierScore):
            return Fitted(self.model.fit(split, seed, device, report), {})
        if self.objective is None or self.training is None:
            raise EbmoodError(f"recipe {self.method!r} needs an objective and training")
        if self.gamma is not None and (split.train_y is None or split.classes < 2):
            raise EbmoodError(
                f"{split.dataset}: supervision (gamma) needs labels of two classes or more; "
                f"{'no labels' if split.train_y is None else 'one class'} here: leave gamma out"
            )
        if self.degenerate:
            warnings.warn(self.degenerate, DegenerateObjectiveWarning, stacklevel=2)
        # Rows with noise added have a density, whatever they had before.
        noisy = self.training.input_noise is not None
        unbounded = None if noisy else self.objective.unbounded_on(split.train_x)
        if unbounded and not self.degenerate:
            warnings.warn(unbounded, DataWarning, stacklevel=2)
        outputs = 1 if self.gamma is None else split.classes
        with global_torch_stream(seed, "initialisation"):
            model = self.model.build(split, outputs)
        fabric = fabric or make_fabric(device)
        own = rank_seed(seed, fabric)
        objective: Objective = self.objective.start(model, outputs, split.train_x.shape[1:], own)
        if self.gamma is not None:
            objective = Supervised(objective, self.gamma)
        scorer = DensityScorer(model, fabric.device, self.training.input_noise, seed)
        trained = train(
            objective,
            torch.as_tensor(split.train_x),
            None if self.gamma is None else torch.as_tensor(split.train_y),
            self.training,
            seed,
            fabric,
            self._hooks(objective, split, scorer, fabric.device, select_by),
            report,
            checkpoints=checkpoints,
        )
        shown = objective.negatives_to_show(SHOWN, torch_stream(seed, "shown", fabric.device))
        negatives = {name: x.cpu().numpy() for name, x in shown.items()}
        return Fitted(scorer, trained.history, trained.events, negatives)

    def _hooks(
        self,
        objective: Objective,
        split: Split,
        scorer: DensityScorer,
        device: torch.device,
        select_by: Callable[[Scorer], float] | None,
    ) -> Sequence[Hook]:
        assert self.training is not None
        hooks: list[Hook] = []
        if self.training.validate_every is not None:
            held_out = model_units(torch.as_tensor(split.validation_x, device=device))
            hooks.append(
                BestState(
                    objective,
                    lambda: -float(objective.validation_loss(held_out)),
                    self.training.validate_every,
                    self.training.patience,
                    _digest_of(split.validation_x),
                )
            )
        if select_by is not None:
            rows = _digest_of(split.validation_x, *(ood.x for ood in split.validation_ood))
            identity = digest([_name_of(select_by), rows])
            hooks.append(BestState(objective, lambda: select_by(scorer), every=10, identity=identity))
        return hooks


def _digest_of(*arrays: np.ndarray) -> str:
    content = sha256()
    for array in arrays:
        content.update(f"{array.dtype.str} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()[:16]


def _name_of(function: Callable) -> str:
    """Of the function that a `partial` or an object stands for, as far as it has a name."""
    function = function.func if isinstance(function, partial) else function
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _merged(old: dict[str, object], new: dict[str, object]) -> dict[str, object]:
    """`old` with the values of `new`, nested mappings merged key by key; one of another kind is put in."""
    merged = dict(old)
    for key, value in new.items():
        inner = merged.get(key)
        if (
            isinstance(inner, dict)
            and isinstance(value, dict)
            and value.get("kind", inner.get("kind")) == inner.get("kind")
        ):
            value = _merged(inner, value)
        merged[key] = value
    return merged
