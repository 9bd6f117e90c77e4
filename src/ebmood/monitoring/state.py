"""What a monitor reports: the state after an update, alarms, and a summary of each batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from ebmood.core.settings import Settings

SCORE = "score"
"""Name of the stream of scores. Every other stream has the name of its feature."""

MAX_BATCHES = 2048
"""Batches that a monitor remembers. If there are more, two neighbours are joined to one."""


MAX_RESTARTED = 1000
"""Alarms of the restart rule that a monitor remembers: the latest ones."""


class Alarm(Settings):
    """An alarm.

    Attributes:
        row: the row of the feed at which it was given, from 0.
        change: the most likely row of the change, from 0, at most `row`.
        stream: `score`, or the name of the feature whose values gave it.
        label: the label of its batch, such as a time; None without labels.
        change_label: the label of the batch that holds the change.
    """

    row: int
    change: int
    stream: str
    label: str | None = None
    change_label: str | None = None


class Batch(Settings):
    """A summary of consecutive rows that were given to `Monitor.update` together.

    Attributes:
        first_row: rows of the feed before it.
        rows: number of its rows.
        label: given by the caller, such as a time; None without one.
        flagged: number of rows that the detector flags at its level alpha.
        log_evidence: natural logarithm of the evidence after the batch.
        peak: its largest value within the batch.
        p_values: for each feature the p-value of its test against the reference rows; empty if none was done.
        drifted: the names of the features that Benjamini-Hochberg selects, smallest p-value first.
    """

    first_row: int
    rows: int
    label: str | None
    flagged: int
    log_evidence: float
    peak: float
    p_values: tuple[float, ...] = ()
    drifted: tuple[str, ...] = ()

    def joined(self, following: "Batch") -> "Batch":
        """Return one batch for this one and the next: p-values are the smaller ones, twice, at most 1."""
        both = self.p_values and following.p_values
        pairs = zip(self.p_values, following.p_values, strict=True) if both else ()
        return Batch(
            first_row=self.first_row,
            rows=self.rows + following.rows,
            label=self.label,
            flagged=self.flagged + following.flagged,
            log_evidence=following.log_evidence,
            peak=max(self.peak, following.peak),
            p_values=tuple(min(1.0, 2 * min(pair)) for pair in pairs) or self.p_values or following.p_values,
            drifted=tuple(dict.fromkeys([*self.drifted, *following.drifted])),
        )


@dataclass(frozen=True)
class MonitorState:
    """What is known after an update.

    Attributes:
        rows: rows of the feed so far.
        log_evidence: natural logarithm of the evidence, the largest v_s M_s over streams; see
            `ebmood.monitoring.martingale`. An alarm is given when it reaches log(1 / delta).
        alarm: the first alarm, or None. If the monitor has a bound, the probability that there ever is one without
            a change is at most delta.
        restarts: number of alarms of the restart rule; 0 without a `run_length`.
        restarted: these alarms in the order of their rows, without the earliest if there are more than 1,000.
        streams: the names of the streams whose evidence alone reaches 1 / delta now, the largest evidence first.
        batch: the batch of this update; None before the first.
    """

    rows: int
    log_evidence: float
    alarm: Alarm | None
    restarts: int
    restarted: tuple[Alarm, ...]
    streams: tuple[str, ...]
    batch: Batch | None


def joined_in_pairs(batches: Sequence[Batch]) -> list[Batch]:
    """Return half as many batches, each of two neighbours; the last one stays alone if their number is odd."""
    pairs = [first.joined(second) for first, second in zip(batches[::2], batches[1::2], strict=False)]
    return pairs + list(batches[len(pairs) * 2 :])
