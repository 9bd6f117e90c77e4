"""A recipe: a named method with the settings of its model, objective and training, independent of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Annotated, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import BeforeValidator, NonNegativeInt, SerializeAsAny

from ebmood.core.errors import DataWarning, DegenerateObjectiveWarning, EbmoodError, InputError, warn
from ebmood.core.seeding import global_torch_stream, numpy_stream, stream_seed, torch_stream
from ebmood.core.settings import Fraction, Positive, Settings, by_kind, digest
from ebmood.data.dataset import Split
from ebmood.data.units import model_rows, model_units
from ebmood.density_scores import AnyDensityScore, ScoredModel
from ebmood.density_scores.likelihood_ratio import perturbed
from ebmood.models import (
    DensityScorer,
    EnergyWideResNet,
    ExternalDetector,
    ModelSettings,
    Scorer,
    nudge_last_bit,
)
from ebmood.objectives import Objective, ObjectiveSettings, build_objective
from ebmood.recipes.classifier_score import ClassifierScore
from ebmood.recipes.combination import Combination
from ebmood.recipes.embedding import Embedding, embed_split
from ebmood.recipes.fitted import Fitted
from ebmood.recipes.variant import Variant
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

SAMPLES = 64
"""Number of negative samples for figures."""

NUDGE_ROWS = 16
"""Training rows that decide which weight a nudge moves."""


class Recipe(Settings):
    """A method with all its settings.

    Attributes:
        method: name in study files: `ssm`, `cd`, `vera`, `radial`, `spline`, `knn`, ...
        title: name in tables and figures.
        family: `energy`, `flow`, or `baseline`: a method that enters no comparison of the paper.
        variant: `paper`, `corrected`, `modern`, or `both` where the corrections do not change this recipe.
        gamma: weight of the cross-entropy; None for training without labels.
        shortened: whether training is shorter than the protocol's.
        embedding: the classifier whose features replace the images; None for the data themselves.
        model: settings of the model.
        objective: settings of the objective; None for detectors that are not trained by gradients.
        training: settings of the training; None for the same detectors.
        scores: scores of the trained model besides its log-density; None for no others.
        member: number of a further member of an ensemble: another initialisation and another order of the same training
            rows; None for the model itself.
        mutation: probability with which each value of a training or validation row is replaced by a uniform one before
            a background model learns from it; None for the rows as they are.
    """

    method: str
    title: str
    family: Literal["energy", "flow", "baseline"]
    variant: Variant
    gamma: Positive | None = None
    shortened: bool = False
    embedding: Embedding | None = None
    model: Annotated[SerializeAsAny[Settings], BeforeValidator(by_kind(Settings))]
    objective: (
        Annotated[SerializeAsAny[ObjectiveSettings], BeforeValidator(by_kind(ObjectiveSettings))] | None
    ) = None
    training: Training | None = None
    scores: tuple[AnyDensityScore, ...] | None = None
    member: NonNegativeInt | None = None
    mutation: Fraction | None = None

    @property
    def label(self) -> str:
        """The name in progress bars, such as `ssm corrected gamma=1`."""
        variant = "" if self.variant == "both" else f" {self.variant}"
        bottleneck = "" if self.bottleneck is None else f" bottleneck={self.bottleneck:g}"
        gamma = "" if self.gamma is None else f" gamma={self.gamma:g}"
        return self.method + variant + bottleneck + gamma + ("" if self.embedding is None else " embedding")

    @property
    def bottleneck(self) -> float | None:
        """The fraction of channels that remain in the network's bottlenecks, or None without bottlenecks."""
        return self.model.bottleneck if isinstance(self.model, EnergyWideResNet) else None

    @property
    def combination(self) -> Combination | None:
        """The models that this recipe combines, or None for a recipe of one model."""
        return self.model if isinstance(self.model, Combination) else None

    @property
    def trains_network(self) -> bool:
        """Whether `fit` trains the weights of a density model, which can be nudged."""
        return self.training is not None and isinstance(self.model, ModelSettings)

    @property
    def degenerate(self) -> str | None:
        """Why the objective cannot learn a density with this model, or None."""
        if self.objective is None or not isinstance(self.model, ModelSettings):
            return None
        return self.objective.degenerate_on(self.model)

    def scored_model(self, shape: tuple[int, ...]) -> ScoredModel:
        """Return what decides which scores the model has, for inputs of a shape.

        Raises:
            InputError: the recipe has no density model.
        """
        if not isinstance(self.model, ModelSettings):
            raise InputError(
                f"method {self.method!r} is not a trained density model and has only its own score; remove the key "
                "'score'"
            )
        images = len(shape) == 3 and self.embedding is None
        return ScoredModel(self.method, self.model.is_normalised, images, 2 if self.gamma else 1)

    def overridden(
        self,
        model: dict[str, object] | None = None,
        objective: dict[str, object] | None = None,
        training: dict[str, object] | None = None,
    ) -> Recipe:
        """Return this recipe with some settings changed, marked as shortened if it takes fewer steps.

        Raises:
            pydantic.ValidationError: an unknown key or a value of the wrong kind.
            EbmoodError: the recipe has no model, objective or training to change.
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
        if self.training and changed.training and changed.training.is_shorter_than(self.training):
            changed = changed.model_copy(update={"shortened": True})
        return changed

    def embed(self, split: Split, seed: int, device: str = "cpu", report: Report | None = None) -> Split:
        """Return the split that this recipe learns from: the data themselves, or their embedding.

        Args:
            split: split of the data.
            seed: seed of the classifier's training.
            device: `auto`, `cpu` or `cuda`.
            report: called during the training of the classifier.
        """
        if self.embedding is None:
            return split
        name = self.embedding.name

        def report_stage(progress: Progress) -> None:
            if report is not None:
                report(replace(progress, stage=name))

        return embed_split(split, self.embedding, seed, device, report_stage)

    def fit(
        self,
        split: Split,
        seed: int,
        device: str = "cpu",
        report: Callable[[Progress], None] | None = None,
        select_by: Callable[[Scorer], float] | None = None,
        checkpoints: Checkpoints | None = None,
        fabric: Fabric | None = None,
        nudged: bool = False,
    ) -> Fitted:
        """Train on the in-distribution training rows of a split.

        Args:
            split: its training rows are used for training, its validation rows for early stopping only.
            seed: seed of initialisation, order and noise.
            device: `auto`, `cpu` or `cuda`.
            report: called during training.
            select_by: function that is evaluated every ten epochs. The model with the highest value is returned instead
                of the last one. Detectors of other libraries and combinations ignore it.
            checkpoints: where to resume from and where to write checkpoints; None for neither.
            fabric: from `make_fabric`, instead of `device`; for one model on several processes.
            nudged: whether one weight of the untrained model moves by its last bit, see `ebmood.models.nudge`. Rows,
                batches and random numbers stay the same.

        Warns:
            DegenerateObjectiveWarning: the objective cannot learn a density with this model.
            DataWarning: the loss has no minimum on these rows, there are fewer rows than a batch, or the warm-up takes
                all steps.
            RollbackWarning: training diverged and was rolled back.

        Raises:
            EbmoodError: the split has fewer than two classes for supervision, training diverged, or the recipe has no
                weight to nudge.
        """
        if nudged and not self.trains_network:
            raise EbmoodError(f"recipe {self.method!r} trains no density model, so it has no weight to nudge")
        if isinstance(self.model, ExternalDetector):
            return Fitted(self.model.fit(split, seed), {})
        if isinstance(self.model, ClassifierScore):
            return Fitted(self.model.fit(split, seed, device, report), {})
        if isinstance(self.model, Combination):
            return self.model.fit(split, seed, device, report)
        if self.objective is None or self.training is None or not isinstance(self.model, ModelSettings):
            raise EbmoodError(f"recipe {self.method!r} needs a density model, an objective and training")
        self._check(split)
        fabric = fabric or make_fabric(device)
        trained_on = _array_digest(split.train_x)
        split, seed = self._perturbed(split, seed), self._training_seed(seed)
        outputs = 1 if self.gamma is None else split.classes
        scorer = self._untrained(split, seed, fabric, trained_on)
        nudge = nudge_last_bit(scorer.model, model_rows(split.train_x[:NUDGE_ROWS])) if nudged else None
        shape = split.train_x.shape[1:]
        objective = build_objective(
            self.objective, scorer.model, outputs, shape, rank_seed(seed, fabric), self.gamma
        )
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
        samples = objective.sample_negatives(SAMPLES, torch_stream(seed, "shown", fabric.device))
        negatives = {name: x.cpu().numpy() for name, x in samples.items()}
        return Fitted(scorer, trained.history, trained.events, negatives, nudge)

    def untrained(self, split: Split, seed: int, device: str = "cpu") -> DensityScorer:
        """Return the model as it is before the first step, for weights of an earlier training. See `fit`."""
        trained_on = _array_digest(split.train_x)
        rows = self._perturbed(split, seed)
        return self._untrained(rows, self._training_seed(seed), make_fabric(device), trained_on)

    def _untrained(self, split: Split, seed: int, fabric: Fabric, trained_on: str) -> DensityScorer:
        if self.training is None or not isinstance(self.model, ModelSettings):
            raise EbmoodError(f"recipe {self.method!r} needs a density model, an objective and training")
        outputs = 1 if self.gamma is None else split.classes
        with global_torch_stream(seed, "initialisation"):
            model = self.model.build(split, outputs)
        return DensityScorer(
            model, fabric.device, self.training.input_noise, seed, trained_on, split.train_x.shape[1:]
        )

    def _training_seed(self, seed: int) -> int:
        """Return the seed of initialisation, order and noise: that of the cell, or one of the member's own."""
        return seed if self.member is None else stream_seed(seed, f"member {self.member}")

    def _perturbed(self, split: Split, seed: int) -> Split:
        """Return the split that the model learns from: a background model sees perturbed rows."""
        rate = self.mutation
        if rate is None:
            return split

        def mutate(rows: np.ndarray, part: str) -> np.ndarray:
            generator = numpy_stream(seed, f"background/{part}")
            return perturbed(rows, rate, split.train_x, generator)

        return replace(
            split,
            train_x=mutate(split.train_x, "train"),
            validation_x=mutate(split.validation_x, "validation"),
        )

    def _check(self, split: Split) -> None:
        """Raise if labels are missing. Warn if the warm-up is too long, or the objective has no useful minimum."""
        assert self.objective is not None
        assert self.training is not None
        if self.gamma is not None and (split.train_y is None or split.classes < 2):
            raise EbmoodError(
                f"{split.dataset}: supervision (gamma) needs labels of two classes or more, but the data have "
                f"{'no labels' if split.train_y is None else 'one class'}; remove gamma"
            )
        rows = len(split.train_x)
        for problem in (self.training.unfinished_warmup(rows), self.training.unreached_average(rows)):
            if problem is not None:
                warn(f"{self.label}: {problem}", DataWarning)
        if self.degenerate:
            warn(self.degenerate, DegenerateObjectiveWarning)
        elif self.training.input_noise is None:  # rows with added noise always have a density
            unbounded = self.objective.unbounded_on(split.train_x)
            if unbounded:
                warn(unbounded, DataWarning)

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
            validation_x = model_units(torch.as_tensor(split.validation_x, device=device))
            objective.eval()  # one row has no batch statistics; the training sets it back
            try:
                objective.validation_loss(validation_x[:1])
            except NotImplementedError as error:
                raise InputError(
                    f"{self.label}: the objective has no loss that can be compared between steps; remove "
                    "validate_every and patience"
                ) from error
            hooks.append(
                BestState(
                    objective,
                    lambda: -float(objective.validation_loss(validation_x)),
                    self.training.validate_every,
                    self.training.patience,
                    _array_digest(split.validation_x),
                )
            )
        if select_by is not None:
            rows = _array_digest(split.validation_x, *(ood.x for ood in split.validation_ood))
            identity = digest([_function_name(select_by), rows])
            hooks.append(BestState(objective, lambda: select_by(scorer), every=10, identity=identity))
        return hooks


def _array_digest(*arrays: np.ndarray) -> str:
    """Return sixteen hexadecimal digits of SHA-256 over the types, shapes and contents of arrays."""
    content = sha256()
    for array in arrays:
        content.update(f"{array.dtype.str} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()[:16]


def _function_name(function: Callable) -> str:
    """Return the qualified name of a function, of the function inside a `partial`, or of an object's class."""
    function = function.func if isinstance(function, partial) else function
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _merged(old: dict[str, object], new: dict[str, object]) -> dict[str, object]:
    """Return `old` with the values of `new`. Nested mappings of one kind are merged key by key, others replaced."""
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
