"""The scores of the calibration rows, in total and by segment, and what follows from them: p-values and thresholds.

With segments, a new row is compared with the calibration rows of its own segment. Given the segments of all rows, a
new row of a segment is exchangeable with the calibration rows of this segment, so `P(p <= alpha) <= alpha` holds within
each of them (Vovk, Lindsay, Nouretdinov & Gammerman 2003, "Mondrian confidence machine"). Segments with fewer than
`least` calibration rows are pooled: they are compared together, and values that no calibration row has with them. For
them the inequality holds on average over such rows, and not within each value. If all pooled rows together are fewer
than `least`, they are compared with the calibration rows of all segments, and their false-alarm rate is unknown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ebmood.core import calibration as conformal
from ebmood.core.errors import CalibrationWarning, InputError, warn
from ebmood.core.words import noun

MISSING = np.inf
"""The segment of missing values. No value of X is infinite."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Calibration rows with which a new row is compared.

    Attributes:
        scores: `(n,)`, ascending.
        weights: `(n,)` of these rows, or None without weights.
    """

    scores: Floats
    weights: Floats | None = None

    def p_values(self, scores: Floats, weights: Floats | None) -> Floats:
        """Return the p-values of new rows `(N,)`; with weights if the calibration rows have weights."""
        if self.weights is None or weights is None:
            return conformal.p_values(scores, self.scores)
        return conformal.weighted_p_values(scores, weights, self.scores, self.weights)

    def offsets(self, rows: int, weights: Floats | None, alpha: float) -> Floats:
        """Return the thresholds of `rows` new rows `(N,)`, below which a score is flagged at level `alpha`."""
        if self.weights is None or weights is None:
            return np.full(rows, conformal.offset(self.scores, alpha))
        return conformal.weighted_offsets(weights, self.scores, self.weights, alpha)

    def offset(self, alpha: float) -> float:
        """Return the threshold; with weights, that of a row whose weight is the mean of these rows."""
        weights = None if self.weights is None else self.weights.mean(keepdims=True)
        return float(self.offsets(1, weights, alpha)[0])

    def false_alarm_rate(self, alpha: float) -> float:
        """Return the fraction of rows like these that is flagged, on average over fits.

        With weights it is an upper bound: alpha, or 0 if no row of mean weight can be flagged.
        """
        if self.weights is None:
            return conformal.false_alarm_rate(alpha, len(self.scores))
        return alpha if np.isfinite(self.offset(alpha)) else 0.0


@dataclass(frozen=True)
class CalibrationScores:
    """The scores of the calibration rows. Make it with `of_rows`, which sorts them.

    Attributes:
        scores: `(n,)`, ascending.
        segments: `(n,)` segment of each row (see `ebmood.detector.segments`), or None without segments.
        weights: `(n,)` positive weight of each row, or None without weights.
        least: number of calibration rows that a segment needs to be compared on its own.
    """

    scores: Floats
    segments: Floats | None = None
    weights: Floats | None = None
    least: int = 1

    @classmethod
    def of_rows(
        cls,
        scores: Floats,
        segments: Floats | None = None,
        weights: Floats | None = None,
        least: int = 1,
    ) -> "CalibrationScores":
        """Return the calibration scores of rows in any order. The arguments are the attributes."""
        order = np.argsort(scores, kind="stable")
        return cls(
            scores[order],
            None if segments is None else segments[order],
            None if weights is None else weights[order],
            least,
        )

    @cached_property
    def all_rows(self) -> Group:
        """All calibration rows."""
        return Group(self.scores, self.weights)

    @cached_property
    def own(self) -> dict[float, Group]:
        """The groups of segments with enough calibration rows, by segment; `MISSING` in place of NaN."""
        if self.segments is None:
            return {}
        keys = _comparable(self.segments)
        return {
            key: self._group(keys == key) for key, rows in self.segment_sizes.items() if rows >= self.least
        }

    @cached_property
    def segment_sizes(self) -> dict[float, int]:
        """The number of calibration rows of every segment; `MISSING` in place of NaN."""
        if self.segments is None:
            return {}
        keys, counts = np.unique(_comparable(self.segments), return_counts=True)
        return dict(zip(keys.tolist(), counts.tolist(), strict=True))

    @cached_property
    def others(self) -> Group:
        """The calibration rows for all other segments: those of all pooled segments, or all if these are too few."""
        if self.segments is None:
            return self.all_rows
        pooled = ~np.isin(_comparable(self.segments), list(self.own))
        return self._group(pooled) if self.least <= pooled.sum() < len(pooled) else self.all_rows

    @cached_property
    def without_rate(self) -> list[float]:
        """The segments that are compared with the calibration rows of all segments, since too few rows are pooled."""
        pooled = [key for key in self.segment_sizes if key not in self.own]
        rows = sum(self.segment_sizes[key] for key in pooled)
        return pooled if self.own and rows < self.least else []

    def p_values(self, scores: Floats, segments: Floats | None, weights: Floats | None = None) -> Floats:
        """Return the p-values of new rows.

        Args:
            scores: `(N,)` their scores.
            segments: `(N,)` their segments; needed if the calibration rows have segments.
            weights: `(N,)` their weights; needed if the calibration rows have weights.

        Raises:
            InputError: segments or weights are missing, or given although the calibration rows have none.
        """
        weights = self._check(len(scores), segments, weights)
        p = np.empty(len(scores))
        for group, rows in self._groups(len(scores), segments):
            p[rows] = group.p_values(scores[rows], None if weights is None else weights[rows])
        return p

    def offsets(
        self, rows: int, segments: Floats | None, alpha: float, weights: Floats | None = None
    ) -> Floats:
        """Return the thresholds of new rows `(N,)`: a score below it has a p-value of at most `alpha`.

        The arguments and errors are those of `p_values`.
        """
        weights = self._check(rows, segments, weights)
        offsets = np.empty(rows)
        for group, part in self._groups(rows, segments):
            offsets[part] = group.offsets(int(part.sum()), None if weights is None else weights[part], alpha)
        return offsets

    def offset(self, alpha: float) -> float:
        """Return the threshold over all calibration rows; see `Group.offset`."""
        return self.all_rows.offset(alpha)

    def false_alarm_rate(self, alpha: float) -> float:
        """Return the fraction of rows like the calibration rows that is flagged, on average over fits.

        With segments, it is the mean over the calibration rows of the rate of their segment.
        """
        groups = self._groups(len(self.scores), self.segments)
        return float(sum(group.false_alarm_rate(alpha) * rows.mean() for group, rows in groups))

    def _group(self, rows: NDArray[np.bool_]) -> Group:
        return Group(self.scores[rows], None if self.weights is None else self.weights[rows])

    def _groups(self, rows: int, segments: Floats | None) -> Iterator[tuple[Group, NDArray[np.bool_]]]:
        """Return the groups with which new rows are compared, and the rows of each as booleans."""
        if self.segments is None or segments is None:
            yield self.all_rows, np.ones(rows, dtype=bool)
            return
        keys, others = _comparable(segments), np.ones(rows, dtype=bool)
        for key, group in self.own.items():
            part = keys == key
            others &= ~part
            yield group, part
        yield self.others, others

    def _check(self, rows: int, segments: Floats | None, weights: Floats | None) -> Floats | None:
        """Return the weights of new rows after a check of segments and weights."""
        if (self.segments is None) != (segments is None):
            raise InputError(
                "segments: fitted without segments; leave them out"
                if self.segments is None
                else "segments: fitted with segments, so every row needs one; give segments_of(rows)"
            )
        if self.weights is None and weights is not None:
            raise InputError(
                "weights: the calibration rows have no weights; call recalibrate(X, weights=...) first"
            )
        if self.weights is not None and weights is None:
            raise InputError(
                "weights: the calibration rows have weights, so every row needs one; give weights=, or call "
                "recalibrate(X) without weights"
            )
        return None if weights is None else check_weights(weights, rows)


LARGER_ALPHA = "set a larger alpha, or recalibrate with more rows"
"""What helps if the level of a fitted detector is too small."""


def warn_if_no_row_is_flagged(
    calibration: CalibrationScores, alpha: float, advice: str, items: str = "rows"
) -> None:
    """Warn if there are too few calibration rows, in total or of a segment, to flag any row at level `alpha`.

    Args:
        calibration: the calibration scores.
        alpha: the level.
        advice: what to do.
        items: what the message calls rows.
    """
    least = conformal.rows_needed(alpha)
    needed = f"alpha={alpha} needs {least} calibration {noun(least, items.removesuffix('s'), items)}"
    if calibration.weights is not None:
        needed += ", and more if their weights differ"
    sizes = calibration.segment_sizes
    never = [
        key for key in sizes if not np.isfinite(calibration.own.get(key, calibration.others).offset(alpha))
    ]
    if not np.isfinite(calibration.offset(alpha)):
        problem = (
            f"but there are only {len(calibration.scores)}, so no {items.removesuffix('s')} will be flagged"
        )
    elif never:
        groups = f"{len(never)} of {len(sizes)} segments or classes"
        problem = f"but {groups} have fewer, so none of their {items} will be flagged"
    else:
        return
    warn(f"{needed}, {problem}; {advice}", CalibrationWarning)


def check_weights(weights: object, rows: int) -> Floats:
    """Return weights as float64 `(N,)`.

    Raises:
        InputError: they are not N positive and finite numbers.
    """
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("weights: must be numbers; give one positive number for each row") from error
    if values.shape != (rows,):
        raise InputError(
            f"weights: have shape {values.shape}, but there are {rows} rows; give one for each row"
        )
    invalid = ~(np.isfinite(values) & (values > 0))
    if invalid.any():
        row = int(invalid.argmax())
        raise InputError(
            f"weights: row {row}: {values[row]}; must be positive and finite, leave such rows out"
        )
    return values


def _comparable(segments: Floats) -> Floats:
    """Return segments with `MISSING` in place of NaN, which is not equal to itself."""
    return np.where(np.isnan(segments), MISSING, segments)
