"""What a score of a classifier is: fitted on in-distribution outputs, and then a function of outputs.

A score is a typed object of settings. `Score.fit` computes tensors from in-distribution rows, and `FittedScore` applies
them. The rows are those of a trained classifier: features, which are the input of its last linear layer, and logits. No
score sees out-of-distribution rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings

CHUNK_ROWS = 1024
"""Rows that are scored at once, which bounds the memory of distances."""

State = dict[str, Tensor]
"""The tensors of a fitted score."""

Network = Callable[[Tensor], Tensor]
"""A classifier: inputs `(N, *shape)` to logits `(N, K)`."""


@dataclass(frozen=True)
class Outputs:
    """Outputs of a classifier for N rows.

    Attributes:
        features: `(N, E)`, float64: the input of the last linear layer.
        logits: `(N, K)`, float64.
    """

    features: Tensor
    logits: Tensor

    @classmethod
    def of_arrays(cls, features: ArrayLike | Tensor, logits: ArrayLike | Tensor) -> "Outputs":
        """Return the outputs as float64 tensors after a check.

        Args:
            features: `(N, E)`, finite.
            logits: `(N, K)`, finite.

        Raises:
            InputError: the shapes differ in N, or a value is NaN or infinite; the message names the row, from 0.
        """
        outputs = cls(_matrix(features, "features"), _matrix(logits, "logits"))
        if len(outputs.features) != len(outputs.logits):
            raise InputError(
                f"logits: {len(outputs.logits)} rows, but features have {len(outputs.features)}; give both for the "
                "same rows"
            )
        return outputs

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Tensor | slice) -> "Outputs":
        """Return some of the rows."""
        return Outputs(self.features[rows], self.logits[rows])

    @property
    def predicted(self) -> Tensor:
        """`(N,)` class with the largest logit."""
        return self.logits.argmax(1)


@dataclass(frozen=True)
class Head:
    """The last linear layer of a classifier: logits are `features @ weight.T + bias`.

    Attributes:
        weight: `(K, E)`, float64.
        bias: `(K,)`, float64.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return the logits of features: `(N, E)` to `(N, K)`."""
        return features @ self.weight.mT + self.bias


@dataclass(frozen=True)
class FitRows:
    """In-distribution rows on which a score is fitted. Make it with `of_arrays`, which checks them.

    Attributes:
        outputs: of N rows.
        labels: `(N,)` classes, as columns of the logits; None without labels.
        head: the last linear layer; None if it is not known.
    """

    outputs: Outputs
    labels: Tensor | None = None
    head: Head | None = None

    @classmethod
    def of_arrays(
        cls,
        features: ArrayLike | Tensor,
        logits: ArrayLike | Tensor,
        labels: ArrayLike | Tensor | None = None,
        weight: ArrayLike | Tensor | None = None,
        bias: ArrayLike | Tensor | None = None,
    ) -> "FitRows":
        """Return the rows as float64 tensors after a check.

        Args:
            features: `(N, E)`, finite.
            logits: `(N, K)`, finite.
            labels: `(N,)` whole numbers from 0 to K - 1, the columns of the logits.
            weight: `(K, E)` weight of the last linear layer.
            bias: `(K,)` bias of the last linear layer; None for zeros.

        Raises:
            InputError: a shape or a value is wrong, or the weight and the bias do not give the logits.
        """
        outputs = Outputs.of_arrays(features, logits)
        if len(outputs) < 2:
            raise InputError(f"features: {len(outputs)} rows; a score needs at least 2 in-distribution rows")
        codes = None if labels is None else check_labels(labels, len(outputs), outputs.logits.shape[1])
        return cls(outputs, codes, None if weight is None else _head(outputs, weight, bias))

    def take(self, rows: Tensor) -> "FitRows":
        """Return some of the rows."""
        return FitRows(self.outputs.take(rows), None if self.labels is None else self.labels[rows], self.head)

    @property
    def class_rows(self) -> list[tuple[int, Tensor]]:
        """Each class that has rows, ascending, with the indices of its rows."""
        assert self.labels is not None
        return [(int(k), (self.labels == k).nonzero()[:, 0]) for k in self.labels.unique()]


class Score(Settings, ABC):
    """Settings of a score, and how it is computed. Higher is more in-distribution.

    Attributes:
        kind: the name of the score.
        needs_labels: whether it is fitted with labels.
        needs_head: whether it uses the last linear layer.
        perturbs_input: whether it changes inputs before the network sees them; see `InputScore`.
    """

    kind: str
    needs_labels: ClassVar[bool] = False
    needs_head: ClassVar[bool] = False
    perturbs_input: ClassVar[bool] = False

    def fit(self, rows: FitRows) -> "FittedScore":
        """Return the score, fitted on in-distribution rows.

        Raises:
            InputError: the score needs labels or the last linear layer, and the rows have none.
        """
        if self.needs_labels and rows.labels is None:
            raise InputError(
                f"labels: score {self.kind!r} needs them; give the class of each row, or another score"
            )
        if self.needs_head and rows.head is None:
            raise InputError(
                f"weight: score {self.kind!r} needs the last linear layer, whose input are the features; give it, or "
                "another score"
            )
        with torch.no_grad():
            return FittedScore(self, self.fit_state(rows))

    @abstractmethod
    def fit_state(self, rows: FitRows) -> State:
        """Return the tensors of the score, computed from in-distribution rows."""

    @abstractmethod
    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`. Each row is scored on its own.

        Args:
            state: what `fit_state` returned.
            outputs: of N rows.
        """


class InputScore(Score):
    """A score that changes inputs by a gradient of the network before their outputs are computed."""

    perturbs_input: ClassVar[bool] = True

    @abstractmethod
    def resolve(self, network: Network, x: Tensor) -> "InputScore":
        """Return the settings with those that are chosen by in-distribution inputs `(N, *shape)`."""

    @abstractmethod
    def perturb(self, network: Network, x: Tensor) -> Tensor:
        """Return changed inputs: `(N, *shape)` to `(N, *shape)`."""


class FittedScore(nn.Module):
    """A fitted score: features `(N, E)` and logits `(N, K)` to scores `(N,)`, in float64.

    Args:
        score: the settings.
        state: the tensors, which become buffers.
    """

    def __init__(self, score: Score, state: State):
        super().__init__()
        self.score = score
        for name, tensor in state.items():
            self.register_buffer(name, tensor)

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores of rows, `(N,)`; higher is more in-distribution."""
        return self.score.score(dict(self.named_buffers()), Outputs(features.double(), logits.double()))

    @torch.no_grad()
    def score_samples(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return the scores of rows, `(N,)`, computed in chunks.

        Raises:
            InputError: a score is not finite, because features or logits are too large; the message names the row.
        """
        parts = [
            self(outputs.features[start : start + CHUNK_ROWS], outputs.logits[start : start + CHUNK_ROWS])
            for start in range(0, len(outputs), CHUNK_ROWS)
        ]
        scores = torch.cat(parts).cpu().numpy() if parts else np.zeros(0)
        if not np.isfinite(scores).all():
            row = int((~np.isfinite(scores)).argmax())
            raise InputError(
                f"row {row}: score {self.score.kind!r} is not finite; its features or logits are too large"
            )
        return scores


def check_labels(labels: ArrayLike | Tensor, rows: int, classes: int) -> Tensor:
    """Return labels as whole numbers `(N,)`.

    Raises:
        InputError: they are not N whole numbers from 0 to `classes` - 1.
    """
    values = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if values.shape != (rows,):
        raise InputError(f"labels: have shape {values.shape}, but there are {rows} rows; give one for each")
    if values.dtype.kind not in "iub" and not (
        values.dtype.kind == "f" and np.array_equal(values, np.floor(values))
    ):
        raise InputError(
            f"labels: must be whole numbers from 0 to {classes - 1}, the columns of the logits, not {values.dtype}"
        )
    outside = (values < 0) | (values >= classes)
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"labels: row {row}: {values[row]}; must be from 0 to {classes - 1}, a column of the logits"
        )
    return torch.from_numpy(values.astype(np.int64))


def _matrix(values: ArrayLike | Tensor, name: str) -> Tensor:
    try:
        tensor = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: must be an array of numbers, (N, columns)") from error
    if tensor.ndim != 2 or not tensor.shape[1] or tensor.is_complex():
        raise InputError(f"{name}: have shape {tuple(tensor.shape)}; must be numbers (N, columns)")
    tensor = tensor.double()
    is_bad = ~tensor.isfinite().all(1)
    if is_bad.any():
        raise InputError(f"{name}: row {int(is_bad.int().argmax())}: NaN or infinite; leave such rows out")
    return tensor


def _head(outputs: Outputs, weight: ArrayLike | Tensor, bias: ArrayLike | Tensor | None) -> Head:
    w = _matrix(weight, "weight").to(outputs.features.device)
    b = w.new_zeros(len(w)) if bias is None else torch.as_tensor(bias).detach().to(w)
    shape = (outputs.logits.shape[1], outputs.features.shape[1])
    if tuple(w.shape) != shape or tuple(b.shape) != shape[:1]:
        raise InputError(
            f"weight: have shape {tuple(w.shape)} and the bias {tuple(b.shape)}; must be {shape} and {shape[:1]}, for "
            "these features and logits"
        )
    head = Head(w, b)
    check_head(head, outputs)
    return head


def check_head(head: Head, outputs: Outputs) -> None:
    """Check that a linear layer computes the logits from the features, up to the rounding of 16-bit numbers.

    Raises:
        InputError: it does not.
    """
    gap = (head(outputs.features) - outputs.logits).abs().amax()
    size = outputs.logits.abs().amax().clamp(min=1e-6)
    if gap > 0.02 * size:
        raise InputError(
            "weight: the last linear layer does not give these logits from these features "
            f"(they differ by up to {float(gap):.3g}); give the layer whose input the features are"
        )
