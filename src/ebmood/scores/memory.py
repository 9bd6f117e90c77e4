"""The energies of ebmood's detector on the features of a classifier.

    S(x) = max_c -mean over energies e of (e_c(x) - center_c) / scale_c

e_c is the memory energy, the relative distance (both in `ebmood.models.memory`), or both, of the rows of class c: the
in-distribution rows with this label, or all rows together. center_c and scale_c are the median of e_c over these rows,
each left out of its own energy, and the 95th percentile minus the median, as in
`ebmood.detector.energy.score_model`. The energies are computed in one of two spaces of features; see `MemoryScore`.

All settings are fixed, or follow from in-distribution rows. Features of unit length, the default space, say nothing of
the norm, by which inputs may differ that are far from all others; `ebmood.scores.joint` uses whitened features as well.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ebmood.core.seeding import numpy_stream
from ebmood.core.settings import NonNegative
from ebmood.models.memory import (
    MemoryEnergy,
    MemorySettings,
    RelativeDistance,
    leave_one_out,
    squared_distances,
)
from ebmood.scores.gaussian import inverse_root, shrunk_inverse_root, within_class_residuals
from ebmood.scores.knn import unit_length
from ebmood.scores.score import FitRows, Outputs, Score, State

Space = Literal["normalised", "whitened"]

LEAST_ROWS = 10
"""Rows that a class needs for a memory of its own. The rows of all smaller classes share one."""

LEAST_CLASS_ROWS = 3
"""Rows that the shared memory of small classes needs. With fewer they join the largest class."""

LEAST_WHITENED = 8
"""Rows from which on the whitening and the memories have rows of their own."""

SMALLEST_SCALE = 1e-6
"""Smallest scale of a z-score, relative to one."""


class MemoryScore(Score):
    """Minus the energies of the in-distribution rows that the score holds, as z-scores.

    Attributes:
        space: coordinates in which distances are measured. `normalised`: features divided by their norm. `whitened`:
            features in the metric of the Mahalanobis distance, whose covariance is that around class means if there are
            labels, else that of all rows. One random half of the rows determines it, and the other half is held.
        classes: `best`: one memory for each class, and the largest score decides. `none`: one memory of all rows.
            Without labels it is `none`.
        energies: the memory energy, the relative distance, or the mean of both z-scores.
        memory: settings of the energies.
        rows: maximum number of rows that are held, of all classes together. If there are more, a random sample of them
            is used.
        seed: seed of the sample.
        ridge: added to the covariance of the whitening, as a fraction of the mean variance of a feature; None for the
            rule of Ledoit and Wolf.
    """

    kind: Literal["memory"] = "memory"
    space: Space = "normalised"
    classes: Literal["best", "none"] = "best"
    energies: Literal["memory", "relative", "both"] = "both"
    memory: MemorySettings = MemorySettings()
    rows: Annotated[int, Field(ge=2)] = 4096
    seed: int = 0
    ridge: NonNegative | None = None

    def fit_state(self, rows: FitRows) -> State:
        """Return the rows in memory, their bandwidths, and the z-scores."""
        return self.fit_with_scores(rows)[0]

    def fit_with_scores(self, rows: FitRows) -> tuple[State, Tensor, Tensor]:
        """Return the state, the indices `(M,)` of the rows in memory, and their leave-one-out scores `(M,)`.

        The score of a row is that under its own class.
        """
        for_space, for_memory = self._halves(len(rows.outputs))
        state = self._fit_space(rows.take(for_space))
        held = self._sample(for_memory)
        coordinates = self._coordinates(state, rows.outputs.features[held])
        groups = self._groups(rows, held)
        energies = []
        for k, group in enumerate(groups):
            memory, of_group = _fit_memory(coordinates[group], self.memory)
            state |= {f"{name}_{k}": tensor for name, tensor in memory.items()}
            energies.append(of_group[self._chosen()])
        state["z_center"], state["z_scale"] = _fit_z_scores(energies)
        scores = torch.empty(len(held), dtype=torch.float64, device=coordinates.device)
        for k, group in enumerate(groups):
            scores[group] = self._from_energies(state, energies[k], k)
        return state, held, scores

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        coordinates = self._coordinates(state, outputs.features)
        count = len(state["z_center"])
        return torch.stack([self._class_score(state, coordinates, k) for k in range(count)]).amax(0)

    def _class_score(self, state: State, coordinates: Tensor, k: int) -> Tensor:
        squared = squared_distances(coordinates, state[f"rows_{k}"])
        energies = []
        if self.energies != "memory":
            energies.append(_relative_distance(state, k, self.memory)(squared))
        if self.energies != "relative":
            energies.append(
                _memory_energy(state, k)(squared)
            )  # overwrites its argument's terms, so it is last
        return self._from_energies(state, torch.stack(energies), k)

    def _from_energies(self, state: State, energies: Tensor, k: int) -> Tensor:
        """Return minus the mean z-score: `(A, N)` to `(N,)`."""
        return -((energies - state["z_center"][k, :, None]) / state["z_scale"][k, :, None]).mean(0)

    def _chosen(self) -> list[int]:
        return {"relative": [0], "memory": [1], "both": [0, 1]}[self.energies]

    def _halves(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the rows that determine the space, and those of the memories; all rows for both without a whitening.

        A row is nearer to others in a space that is whitened with its help. With one half for each, the leave-one-out
        scores are those of new rows.
        """
        everything = torch.arange(count)
        if self.space == "normalised" or count < LEAST_WHITENED:
            return everything, everything
        order = torch.from_numpy(numpy_stream(self.seed, "whitening").permutation(count))
        return order[: count // 2].sort().values, order[count // 2 :].sort().values

    def _sample(self, candidates: Tensor) -> Tensor:
        if len(candidates) <= self.rows:
            return candidates
        chosen = numpy_stream(self.seed, "memory score").permutation(len(candidates))[: self.rows]
        return candidates[torch.from_numpy(chosen).sort().values]

    def _groups(self, rows: FitRows, held: Tensor) -> list[Tensor]:
        """Return the positions in `held` of the rows of each memory."""
        if rows.labels is None or self.classes == "none":
            return [torch.arange(len(held))]
        labels = rows.labels[held]
        groups = [(labels == k).nonzero()[:, 0] for k in labels.unique()]
        large = [group for group in groups if len(group) >= LEAST_ROWS]
        small = [group for group in groups if len(group) < LEAST_ROWS]
        pooled = torch.cat(small) if small else torch.empty(0, dtype=torch.int64)
        if not large or len(pooled) >= LEAST_CLASS_ROWS:
            return [*large, pooled] if len(pooled) else large
        largest = max(range(len(large)), key=lambda k: len(large[k]))
        large[largest] = torch.cat([large[largest], pooled]) if len(pooled) else large[largest]
        return large

    def _fit_space(self, rows: FitRows) -> State:
        if self.space == "normalised":
            return {}
        features = rows.outputs.features
        mean = features.mean(0)
        residuals = features - mean if rows.labels is None else within_class_residuals(rows)
        root = shrunk_inverse_root(residuals) if self.ridge is None else inverse_root(residuals, self.ridge)
        return {"mean": mean, "root": root}

    def _coordinates(self, state: State, features: Tensor) -> Tensor:
        if self.space == "normalised":
            return unit_length(features)
        return (features - state["mean"]) @ state["root"]


def _fit_z_scores(energies: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the centers and scales `(C, A)` of the leave-one-out energies `(A, M_c)` of each class."""
    levels = torch.tensor([0.5, 0.95], dtype=torch.float64, device=energies[0].device)
    center, high = torch.stack([torch.quantile(part, levels, dim=1) for part in energies]).unbind(1)
    return center, (high - center).clamp(min=SMALLEST_SCALE)


def _fit_memory(coordinates: Tensor, settings: MemorySettings) -> tuple[State, Tensor]:
    """Return the tensors of one memory, and the leave-one-out energies of its rows: relative, memory, `(2, M)`."""
    squared = leave_one_out(squared_distances(coordinates, coordinates))
    memory = MemoryEnergy(len(coordinates)).to(coordinates.device).fit(squared, settings)
    relative = RelativeDistance(len(coordinates), settings).to(coordinates.device).fit(squared)
    state = {
        "rows": coordinates,
        "log_weights": memory.log_weights,
        "precisions": memory.precisions,
        "means": relative.means,
        "tie": relative.tie,
    }
    return state, torch.stack([relative(squared), memory(squared)])


def _memory_energy(state: State, k: int) -> MemoryEnergy:
    energy = MemoryEnergy(0)
    energy.log_weights, energy.precisions = state[f"log_weights_{k}"], state[f"precisions_{k}"]
    return energy


def _relative_distance(state: State, k: int, settings: MemorySettings) -> RelativeDistance:
    relative = RelativeDistance(0, settings)
    relative.means, relative.tie = state[f"means_{k}"], state[f"tie_{k}"]
    return relative
