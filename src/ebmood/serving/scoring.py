"""Score the rows of several requests together. A row that cannot be scored does not affect others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.core.errors import InputError
from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.serving.messages import Cell
from ebmood.serving.monitor import FeedMonitor

Rows = Sequence[dict[str, Cell]] | pyarrow.Table
"""The rows of a JSON request, or of an Arrow request."""

Reasons = list[list[tuple[str, float]]]


@dataclass(frozen=True)
class Results:
    """Results for the N rows of a request.

    Attributes:
        scores: `(N,)`, NaN for rows that cannot be scored.
        p_values: `(N,)`, NaN for rows that cannot be scored.
        errors: the reasons why rows cannot be scored, by the number of the row.
    """

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    errors: dict[int, str]


PLAIN = (
    types.is_boolean,
    types.is_float32,
    types.is_float64,
    types.is_integer,
    types.is_large_string,
    types.is_null,
    types.is_string,
)
"""Types whose values are the same as Python objects."""

MERGED_ROWS = 256
"""Rows of several requests that are scored together at most. The energy computes on so many rows at a time."""


def to_rows(detector: FrameDetector, table: pyarrow.Table) -> Rows:
    """Return a short table of plain types as a list of rows, which can be scored together with other requests.

    Raises:
        InputError: a column is missing or unknown.
    """
    is_plain = all(any(is_type(field.type) for is_type in PLAIN) for field in table.schema)
    if not is_plain or not 0 < table.num_rows <= MERGED_ROWS:
        return table
    detector.check_columns(table)
    return table.to_pylist()


def score_requests(
    detector: FrameDetector, requests: Sequence[Rows], monitor: FeedMonitor | None = None
) -> list[Results | InputError]:
    """Return the results of each request, or the error for which it is refused.

    The rows of JSON requests are scored together, because a small batch takes as long as a single row. The score of a
    row does not depend on the other rows.

    Args:
        detector: the detector.
        requests: one or more; a table is the only one.
        monitor: receives the rows that are scored.
    """
    if len(requests) > 1:
        rows = list(chain.from_iterable(requests))
        results = _score(detector, rows)
        # With a bad row, a column may have other types together than alone, so each request is scored on its own.
        if isinstance(results, Results) and not results.errors:
            _watch(detector, rows, results, monitor)
            ends = np.cumsum([len(request) for request in requests])[:-1]
            parts = zip(np.split(results.scores, ends), np.split(results.p_values, ends), strict=True)
            return [Results(scores, p_values, {}) for scores, p_values in parts]
    answers = []
    for request in requests:
        answer = _score(detector, request)
        if isinstance(answer, Results):
            _watch(detector, request, answer, monitor)
        answers.append(answer)
    return answers


def find_reasons(detector: FrameDetector, rows: Rows, results: Results, count: int) -> Reasons:
    """Return the features that make each row strange, with their contributions; none for a row without a score."""
    labels = detector.estimator.column_labels()
    good = _good_rows(results)
    reasons: Reasons = [[] for _ in results.scores]
    if good:
        for row, gains in zip(good, detector.feature_contributions(_take(rows, good)), strict=True):
            order = np.argsort(-gains, kind="stable")[:count]
            reasons[row] = [(labels[j], float(gains[j])) for j in order if gains[j] > 0]
    return reasons


def describe(error: InputError) -> str:
    """Return what is wrong with a request or a row, without the advice for Python."""
    return str(error).removeprefix("X: ").split("; ")[0]


def _score(detector: FrameDetector, rows: Rows) -> Results | InputError:
    """Return the results for rows, or the error if they have other columns than the training table."""
    try:
        batch = detector.score_batch(rows, mark_bad_rows=True)
    except InputError as error:
        return error
    errors = {row: f"row {row}, {problem}" for row, problem in (batch.errors or {}).items()}
    return Results(batch.scores, batch.p_values, errors)


def _watch(detector: FrameDetector, rows: Rows, results: Results, monitor: FeedMonitor | None) -> None:
    """Give the rows that have scores to the monitor."""
    good = _good_rows(results)
    if monitor is not None and good:
        monitor.update(detector.prepare(_take(rows, good)))


def _good_rows(results: Results) -> list[int]:
    return [row for row in range(len(results.scores)) if row not in results.errors]


def _take(rows: Rows, numbers: list[int]) -> Rows:
    if isinstance(rows, pyarrow.Table):
        return rows.take(numbers)  # type: ignore[union-attr]  # pyarrow has no types
    return [rows[number] for number in numbers]
