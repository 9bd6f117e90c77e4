"""Monitor: watch a feed of rows with a fitted detector, with a bound on the probability of any false alarm."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from ebmood.core.errors import DataWarning, InputError, warn
from ebmood.core.seeding import numpy_stream
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.model_inputs import read_new_inputs
from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.detector.score_batch import ScoreBatch
from ebmood.monitoring.arguments import check_scored, read_label, read_values
from ebmood.monitoring.bets import log_bets
from ebmood.monitoring.feature_drift import drifted_features, feature_p_values
from ebmood.monitoring.martingale import ChangeMartingale, log_shares
from ebmood.monitoring.ranks import StratifiedPool, p_values_of, uniforms
from ebmood.monitoring.reference import (
    Reference,
    calibration_sample,
    check_names,
    feature_names,
    read_reference,
    rounded,
)
from ebmood.monitoring.restart import RestartingAlarm
from ebmood.monitoring.settings import MonitorSettings, settings_errors
from ebmood.monitoring.state import (
    MAX_BATCHES,
    MAX_RESTARTED,
    SCORE,
    Alarm,
    Batch,
    MonitorState,
    joined_in_pairs,
)
from ebmood.monitoring.strata import CycleFeatures, Strata, cycles_of, why_no_bound

if TYPE_CHECKING:
    from ebmood.monitoring.saved_monitor import SavedMonitor

Floats = NDArray[np.float64]

CHUNK_VALUES = 2**20
"""Numbers of one array while bets are computed; longer updates are computed in parts."""


class Monitor:
    """Watch a feed: bet against the p-values of its rows, and give an alarm when the bets have won much.

    Each row gets a smoothed p-value for its score, which is its rank among the calibration scores and all earlier
    scores of the feed (`ebmood.monitoring.ranks`). If the rows of the feed are exchangeable with the calibration rows,
    these p-values are independent and uniform, and the wealth of any bet against them is a martingale
    (`ebmood.monitoring.martingale`). Then the probability that an alarm is ever given is at most `delta`, jointly over
    calibration and feed, however long the feed is. With a detector of tables that reads hours and weekdays as cycles of
    dates, a row is ranked among rows of its own hour and weekday (`ebmood.monitoring.strata`). The values of each
    column of numbers are watched in the same way, among the training rows that the detector holds. Every batch is also
    tested feature by feature.

    The guarantee needs rows that are exchangeable, for example independent. Rows that depend on each other in time,
    such as a slow temperature, give false alarms; docs/monitoring.md says what to do then.

    Args:
        detector: fitted, with reserved calibration rows. Leave-one-out calibration is refused. With the result of
            `ebmood.load` for a detector of tables, `update` takes raw data frames. Of a `ClassifierDetector` and of a
            `PatchDetector` only the score is watched.
        delta: bound on the probability that a false alarm ever occurs.
        run_length: also give repeated alarms, on average at most one false alarm in so many rows; None for none.
        fdr: false discovery rate of the features that are named for a batch.
        watch_features: whether the columns of numbers are watched beside the score, if there are at most 100.
        reference: rows like the training rows, but not training rows, with which features are compared. None for the
            training rows that the detector holds. A detector that holds prototypes, embeddings, or samples of classes
            needs them to compare features.
        unwatched: names of features that are neither watched nor tested, because they change with time by nature. The
            cycles of dates of a detector of tables are always among them. The score depends on these features, so no
            bound on false alarms holds, except with cycles of hours and weekdays.
        cycles: the features that are cycles of dates, as `cycles_of` returns them; those of a `FrameDetector` are known
            without it. A row is ranked among rows of the same hour and weekday.
        pool_rows: rows of the feed among which later rows are ranked, eight bytes each for every stream. After so many
            rows the next ones are ranked among each other only, which keeps the guarantee.
        random_state: seed of the random numbers that break ties.

    Attributes:
        settings (MonitorSettings): the arguments.
        no_bound (str): why the probability of a false alarm has no bound; empty if it has one.
        batches (tuple): one `Batch` for each update. If there are more than 2,048, neighbours are joined.
        state (MonitorState): the result of the last update.
        notes (dict): JSON values that were saved with the monitor.

    Raises:
        InputError: a parameter is invalid, or the detector has no reserved calibration rows.

    Warns:
        DataWarning: the probability of a false alarm has no bound.

    >>> rng = np.random.default_rng(0)
    >>> detector = EnergyDetector(random_state=0).fit(rng.normal(size=(500, 2)))
    >>> monitor = Monitor(detector, delta=0.01)
    >>> monitor.update(rng.normal(size=(1000, 2))).alarm is None
    True
    >>> monitor.update(rng.normal(1.0, 1.0, size=(1000, 2))).alarm.row < 1100
    True
    """

    def __init__(
        self,
        detector: Calibrated | FrameDetector,
        delta: float = 0.01,
        *,
        run_length: float | None = None,
        fdr: float = 0.05,
        watch_features: bool = True,
        unwatched: Sequence[str] = (),
        cycles: Sequence[CycleFeatures] = (),
        reference: Any = None,
        pool_rows: int = 1_000_000,
        random_state: int = 0,
    ):
        self.frames = detector if isinstance(detector, FrameDetector) else None
        if self.frames is not None:
            cycles = cycles_of(self.frames.table_detector.preparation)
            reference = None if reference is None else self.frames.prepare(reference)
        self.detector = detector = detector.estimator if isinstance(detector, FrameDetector) else detector
        detector.check_fitted()
        features = feature_names(detector)
        dates = [name for cycle in cycles for name in (cycle.sine, cycle.cosine)]
        unwatched = tuple(dict.fromkeys([*unwatched, *dates]))
        check_names(unwatched, features)
        with settings_errors():
            self.settings = MonitorSettings(
                delta=delta,
                run_length=run_length,
                fdr=fdr,
                watch_features=watch_features,
                unwatched=unwatched,
                cycles=tuple(cycles),
                pool_rows=pool_rows,
                random_state=random_state,
            )
        self.reference: Reference = read_reference(detector, reference)
        names = self.reference.names
        self.untested = [number for number, name in enumerate(names) if name in self.settings.unwatched]
        watched = self.reference.watched if watch_features else ()
        self.watched = tuple(column for column in watched if column not in self.untested)
        scores, rows = calibration_sample(detector)
        self.no_bound = why_no_bound(unwatched, cycles, rows)
        if self.no_bound:
            warn(f"no bound on false alarms holds: {self.no_bound}", DataWarning)
        self.strata = Strata(cycles if rows is not None else (), features)
        if self.strata.count == 1:
            scores, rows = detector.calibration_scores_, None
        of_scores = self.strata.of(rows, len(scores))
        of_rows = self.strata.of(self.reference.rows, len(self.reference.rows)) if self.watched else of_scores
        streams = [(rounded(scores), of_scores)]
        streams += [(self.reference.rows[:, column], of_rows) for column in self.watched]
        self.pools = [
            StratifiedPool(values, strata, self.strata.count, pool_rows) for values, strata in streams
        ]
        self.log_shares = log_shares(len(self.watched))
        self.martingale = ChangeMartingale(len(self.pools))
        self.restart = None if run_length is None else RestartingAlarm(run_length, self.log_shares)
        self.generator = numpy_stream(random_state, "monitor ties")
        self.alarm: Alarm | None = None
        self.restarts = 0
        self.restarted: tuple[Alarm, ...] = ()
        self.batches: tuple[Batch, ...] = ()
        self.notes: Mapping[str, JsonValue] = {}
        self.log_evidence = np.zeros(len(self.pools)) + self.log_shares

    @property
    def has_bound(self) -> bool:
        """Whether the probability that a false alarm ever occurs is at most `delta`; else `no_bound` says why not."""
        return not self.no_bound

    @property
    def rows(self) -> int:
        """Number of rows of the feed so far."""
        return self.martingale.rows

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features that each batch is tested for; empty without reference rows."""
        return self.reference.names

    @property
    def stream_names(self) -> tuple[str, ...]:
        """The names of the streams: `score`, and the watched features."""
        return (SCORE, *(self.reference.names[column] for column in self.watched))

    @property
    def state(self) -> MonitorState:
        """What is known now."""
        order = np.argsort(-self.log_evidence, kind="stable")
        alone = [int(s) for s in order if self.log_evidence[s] >= self.settings.log_threshold]
        names = self.stream_names
        return MonitorState(
            rows=self.rows,
            log_evidence=float(self.log_evidence.max()),
            alarm=self.alarm,
            restarts=self.restarts,
            restarted=self.restarted,
            streams=tuple(names[s] for s in alone),
            batch=self.batches[-1] if self.batches else None,
        )

    def update(self, X: Any, label: Any = None) -> MonitorState:
        """Read the next rows of the feed, in order, and return the new state.

        Evidence and alarms do not depend on how the feed is cut into updates. The tests of features do, because they
        compare the rows of one update with the reference rows.

        Args:
            X: `(N, ...)` rows, as for `score_samples` of the detector. No rows change nothing.
            label: a name of the batch: a text, a number or a time.

        Raises:
            InputError: X or the label cannot be used. The monitor is then unchanged.
        """
        label = read_label(label)
        if hasattr(X, "__len__") and len(X) == 0:
            return self.state
        X = X if self.frames is None else self.frames.prepare(X)
        detector = self.detector
        if not isinstance(detector, EnergyDetector):
            return self.update_scored(detector.score_batch(X), None, label)
        names = tuple(detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else None
        inputs = read_new_inputs(X, detector.scorer_, names, detector.levels_)
        scores = detector.scorer_.scores(inputs.features, inputs.values)
        segments = None if inputs.values is None else detector.segments_of(inputs.values)
        return self.update_scored(detector.decide(scores, segments=segments), inputs.values, label)

    def update_scored(
        self, batch: ScoreBatch, values: Floats | None = None, label: Any = None
    ) -> MonitorState:
        """Read the next rows of the feed, which are scored already, and return the new state.

        Args:
            batch: N scores and flags of the detector.
            values: `(N, D)` the rows as numbers, numbers of levels and NaN; None if features are not compared.
            label: a name of the batch: a text, a number or a time.

        Raises:
            InputError: an argument cannot be used. The monitor is then unchanged.
        """
        label, scores, first = read_label(label), batch.scores, self.rows
        check_scored(batch)
        if values is not None:
            values = read_values(values, len(scores), len(feature_names(self.detector)))
        elif self.watched or self.strata.count > 1:
            raise InputError("values: None, but features of these rows are watched; give the encoded rows")
        if not len(scores):
            return self.state
        streams = [rounded(scores)]
        if values is not None:
            streams += [values[:, column] for column in self.watched]
        strata = self.strata.of(values, len(scores))
        p_values: tuple[float, ...] = ()
        if self.feature_names and values is not None:
            tested = feature_p_values(values, self.reference.rows, self.reference.categories)
            tested[self.untested] = 1.0
            p_values = tuple(tested.tolist())
        drifted = drifted_features(np.array(p_values), self.settings.fdr) if p_values else ()
        peak = self._bet(np.stack(streams, axis=1), strata, label)  # nothing above has changed the monitor
        latest = Batch(
            first_row=first,
            rows=len(scores),
            label=label,
            flagged=int(batch.flags.sum()),
            log_evidence=float(self.log_evidence.max()),
            peak=peak,
            p_values=p_values,
            drifted=tuple(self.feature_names[column] for column in drifted),
        )
        batches = [*self.batches, latest]
        self.batches = tuple(joined_in_pairs(batches) if len(batches) > MAX_BATCHES else batches)
        return self.state

    def save(self, path: Path | str, notes: Mapping[str, JsonValue] | None = None) -> None:
        """Write the monitor to a file, without the detector. A file that is already there is replaced atomically.

        Args:
            path: the file.
            notes: JSON values to store; `load` returns them as `notes`.

        Raises:
            EbmoodError: the file cannot be written.
        """
        from ebmood.monitoring.saved_monitor import save_monitor

        save_monitor(self, Path(path), self.notes if notes is None else notes)

    @classmethod
    def load(cls, path: Path | str, detector: Calibrated | FrameDetector) -> Self:
        """Return a monitor that `save` wrote. Its further results have the same bits as without the interruption.

        Args:
            path: the file.
            detector: the detector with which the monitor was made.

        Raises:
            EbmoodError: there is no monitor, it was changed or truncated, or it belongs to another detector.
        """
        from ebmood.monitoring.saved_monitor import read_monitor

        estimator = detector.estimator if isinstance(detector, FrameDetector) else detector
        monitor = cls._restored(estimator, read_monitor(Path(path), estimator))
        monitor.frames = detector if isinstance(detector, FrameDetector) else None
        return monitor

    @classmethod
    def _restored(cls, detector: Calibrated, saved: "SavedMonitor") -> Self:
        content, settings = saved.content, saved.content.settings
        known = feature_names(detector)  # older versions accepted other names
        monitor = cls(
            detector,
            settings.delta,
            run_length=settings.run_length,
            fdr=settings.fdr,
            watch_features=settings.watch_features,
            unwatched=[name for name in settings.unwatched if name in known],
            cycles=settings.cycles,
            reference=saved.reference,
            pool_rows=settings.pool_rows,
            random_state=settings.random_state,
        )
        martingale = monitor.martingale
        for pool, values, sizes in zip(monitor.pools, saved.pools, saved.pool_sizes, strict=True):
            pool.restore(values, sizes, saved.pool_feed_rows)
        martingale.rows = content.rows
        martingale.log_wealth, martingale.log_ratio = saved.log_wealth, saved.log_ratio
        martingale.change, monitor.log_evidence = saved.change, saved.log_evidence
        if monitor.restart is not None:
            monitor.restart.log_statistics = saved.log_statistics
        monitor.generator.bit_generator.state = content.generator.state()
        monitor.alarm, monitor.restarts, monitor.restarted = (
            content.alarm,
            content.restarts,
            content.restarted,
        )
        monitor.batches, monitor.notes = content.batches, content.notes
        return monitor

    def _bet(self, streams: Floats, strata: NDArray[np.int64], label: str | None) -> float:
        """Bet on the next rows of all streams, and return the largest logarithm of the evidence.

        Args:
            streams: `(N, S)` values.
            strata: `(N,)` strata of the rows.
            label: name of the batch.
        """
        peak = -math.inf
        step = max(1, CHUNK_VALUES // self.martingale.log_wealth.size)
        for start in range(0, len(streams), step):
            values = streams[start : start + step]
            first = self.rows
            draws = uniforms(self.generator, *values.shape)
            p = p_values_of(self.pools, values, draws, strata[start : start + step])
            factors = log_bets(p)
            log_wealth, changes = self.martingale.update(factors)
            evidence = log_wealth + self.log_shares
            self.log_evidence = evidence[-1]
            peak = max(peak, float(evidence.max()))
            if self.alarm is None and peak >= self.settings.log_threshold:
                row = int((evidence.max(axis=1) >= self.settings.log_threshold).argmax())
                self.alarm = self._alarm(first, row, int(evidence[row].argmax()), changes, label)
            if self.restart is not None:
                alarms = np.argwhere(self.restart.update(factors))
                self.restarts += len(alarms)
                latest = [
                    self._alarm(first, int(row), int(s), changes, label) for row, s in alarms[-MAX_RESTARTED:]
                ]
                self.restarted = (*self.restarted, *latest)[-MAX_RESTARTED:]
        return peak

    def _alarm(self, first: int, row: int, stream: int, changes: NDArray, label: str | None) -> Alarm:
        """Return the alarm at a row of a part of this update. `self.batches` does not hold this update yet."""
        change = int(changes[row, stream])
        earlier = [
            batch for batch in self.batches if batch.first_row <= change < batch.first_row + batch.rows
        ]
        return Alarm(
            row=first + row,
            change=change,
            stream=self.stream_names[stream],
            label=label,
            change_label=earlier[0].label if earlier else label,
        )
