"""`ebmood monitor`: watch a feed, and say since when it differs from the training rows, and in which features."""

import time as clock
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ebmood.cli.classifier_files import Module, Onnx, Weights
from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import interrupted, print_json, print_message
from ebmood.cli.monitor_answer import as_json, describe_alarm, print_answer
from ebmood.cli.options import Device, Drop, Json, Model, SkipCorrupt, Threads, use_threads
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.report import check_page, refuse_folder, write_page
from ebmood.cli.saved_classifier import is_classifier, refuse_network, refuse_table_options

if TYPE_CHECKING:
    import numpy as np

    from ebmood.cli.file_feed import FileFeeds
    from ebmood.detector.calibrated import Calibrated
    from ebmood.detector.progress_callback import ProgressCallback
    from ebmood.detector.raw.table_detector import TableDetector
    from ebmood.detector.score_batch import ScoreBatch
    from ebmood.monitoring import Monitor
    from ebmood.monitoring.scored_feed import ScoredFeed
    from ebmood.monitoring.table_feed import TableFeed

    Scored = tuple[ScoreBatch, np.ndarray | None, str | None]
    """A batch, its rows as numbers if features are compared, and its label."""

EPILOG = """Examples

    ebmood monitor model january.csv february.csv

    ebmood monitor model feed.csv --time measured_at --every 1h --page feed.html

    ebmood monitor model feed.csv --state feed.monitor     continue with the rows that are new in feed.csv

    tail -f -n +1 feed.csv | ebmood monitor model - --every 100rows

    ebmood monitor camera monday tuesday --every 200rows --state camera.monitor     folders of images

    ebmood monitor watch today.npz --module shop.networks:classifier     a detector of fit-classifier

Exit codes: 0 no alarm, 1 alarm, 2 invalid input, 130 interrupted."""

SAVE_SECONDS = 10.0
"""While a feed is watched, its state is saved after the first batch that ends so long after the last time."""


def monitor(
    model: Model,
    feeds: Annotated[
        list[Path],
        typer.Argument(
            metavar="FEED...",
            help="Tables in the order of time: CSV files, Parquet files, folders of them, or - for standard input. For "
            "detectors of images, folders of images; for those of a classifier, these or .npz files.",
            show_default=False,
        ),
    ],
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of times, which must not decrease. It names the batches."
        ),
    ] = None,
    every: Annotated[
        str, typer.Option(metavar="N", help="Length of a batch: 1000rows, or 30m, 1h, 1d with --time.")
    ] = "1000rows",
    delta: Annotated[
        float | None,
        typer.Option(
            help="Bound on the probability that a false alarm ever occurs. [default: 0.01, or that of --state]",
            show_default=False,
        ),
    ] = None,
    run_length: Annotated[
        float | None,
        typer.Option(
            "--run-length",
            metavar="ROWS",
            help="Also count alarms of a rule that starts again after each, with at most one false alarm in ROWS rows "
            "on average.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Continue from FILE if it exists, and save the state to it.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Normal rows that are not training rows, with which features are compared. [default: the training "
            "rows that the detector holds]",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write an HTML page.", show_default=False)
    ] = None,
    drop: Drop = None,
    embed: EmbedAgain = None,
    skip_corrupt: SkipCorrupt = False,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Watch a feed of rows and give an alarm when it differs from the training rows.

    The probability that there is ever an alarm without a change is at most
    delta, if the rows do not depend on each other in time. Evidence is given
    as a logarithm to base 10: an alarm needs log10(1 / delta). Each batch is
    also tested feature by feature against the training rows. For images, in
    the order of their paths, and for a detector of a classifier, only the
    score is watched.
    """
    try:
        with progress_bar("watching") as progress:
            from ebmood.detector.raw.saved_detector import is_of_images, load_saved_detector
            from ebmood.detector.raw.table_detector import TableDetector
            from ebmood.monitoring.strata import cycles_of
            from ebmood.monitoring.table_feed import TableFeed
            from ebmood.monitoring.times import Interval

            use_threads(threads)
            if page is not None:
                check_page(page)
            if state is not None:
                refuse_folder(state)
            interval = Interval.parse(every)
            files = None
            if is_classifier(model) or is_of_images(model):
                refuse_table_options(
                    {"--time": time, "--drop": drop, "--reference": reference}, "images or of a classifier"
                )
                files = _open_files(model, module, weights, onnx, device, embed, skip_corrupt, progress)
                watching = _open_monitor(files.estimator, state, delta, run_length, watch_features=False)
                feed = files.feed(feeds, interval, watching.notes.get("feed"))
                batches = ((batch.batch, None, batch.label) for batch in feed.batches())
            else:
                refuse_network(model, module, weights, onnx)
                detector = load_saved_detector(model, device, embed=allow_import(embed))
                assert isinstance(detector, TableDetector)
                others = [*(drop or ()), *(() if time is None else (time,))]
                rows = None if reference is None else _read_reference(detector, reference, others, state)
                cycles = cycles_of(detector.preparation)
                watching = _open_monitor(detector.estimator, state, delta, run_length, rows, cycles)
                feed = TableFeed(detector, feeds, interval, time, drop or (), watching.notes.get("feed"))
                batches = _score_batches(detector, feed, progress)
            _watch(watching, batches, feed, state)
            _finish(watching, feed, model, state, page)
    except KeyboardInterrupt:
        raise interrupted(
            "nothing was written"
            if state is None
            else f"{state} holds the rows up to its last save; repeat the command to continue"
        ) from None
    bad_rows, first_bad_row = (
        (feed.bad_rows, feed.first_bad_row) if isinstance(feed, TableFeed) else (0, None)
    )
    if json:
        print_json({**as_json(watching, model), "bad_rows": bad_rows, "first_bad_row": first_bad_row})
    else:
        print_answer(watching, is_table=files is None)
        if files is not None:
            files.print_files()
        if bad_rows:
            print_message(
                f"rows with odd cells, read as missing values: {bad_rows}; the first: {first_bad_row}"
            )
    raise typer.Exit(int(watching.alarm is not None))


def _open_files(
    model: Path,
    module: str | None,
    weights: Path | None,
    onnx: Path | None,
    device: str,
    embed: str | None,
    skip_corrupt: bool,
    progress: "ProgressCallback",
) -> "FileFeeds":
    """Load a detector of a classifier or of images."""
    from ebmood.cli.file_feed import of_classifier, of_images

    if is_classifier(model):
        refuse_table_options({"--embed": embed})
        return of_classifier(model, module, weights, onnx, device, skip_corrupt, progress)
    refuse_network(model, module, weights, onnx)
    return of_images(model, device, allow_import(embed), skip_corrupt, progress)


def _read_reference(
    detector: "TableDetector", reference: Path, not_features: Sequence[str], state: Path | None
) -> Any:
    """Return the rows of a table.

    Args:
        detector: the detector.
        reference: a table.
        not_features: names or patterns of columns that it may have in addition.
        state: the file of a monitor, which must not exist.
    """
    from ebmood.core.errors import InputError
    from ebmood.detector.io.open_input import open_table
    from ebmood.detector.raw.saved_detector import read_all_rows

    if state is not None and state.exists():
        raise InputError(f"{state}: holds its reference rows; leave --reference out, or give a new --state")
    table = open_table(reference)
    others = [name for name in table.names if any(fnmatchcase(name, other) for other in not_features)]
    return read_all_rows(detector, table, others)[0]


def _open_monitor(
    detector: "Calibrated",
    state: Path | None,
    delta: float | None,
    run_length: float | None,
    reference: Any = None,
    cycles: Sequence[Any] = (),
    *,
    watch_features: bool = True,
) -> "Monitor":
    """Return a new monitor, or the one in `state` if it exists.

    Args:
        detector: the detector.
        state: the file of a monitor.
        delta: None for that of `state`, or 0.01.
        run_length: None for that of `state`, or none.
        reference: rows with which features are compared.
        cycles: features that are cycles of dates.
        watch_features: whether features are watched beside the score.
    """
    from ebmood.core.errors import InputError
    from ebmood.monitoring import Monitor

    if state is None or not state.exists():
        return Monitor(
            detector,
            0.01 if delta is None else delta,
            run_length=run_length,
            watch_features=watch_features,
            cycles=cycles,
            reference=reference,
        )
    monitor = Monitor.load(state, detector)
    settings = monitor.settings
    for option, given, fixed in (
        ("--delta", delta, settings.delta),
        ("--run-length", run_length, settings.run_length),
    ):
        if given is not None and given != fixed:
            raise InputError(
                f"{state}: was started with {option} {fixed}; leave {option} out, or give a new --state"
            )
    return monitor


def _score_batches(
    detector: "TableDetector", feed: "TableFeed", progress: "ProgressCallback"
) -> "Iterator[Scored]":
    """Score the batches of a feed of tables."""
    estimator = detector.estimator
    for batch in feed.batches(progress):
        scores = estimator.scorer_.score_rows(batch.values)
        yield (
            estimator.decide(scores, segments=estimator.segments_of(batch.values)),
            batch.values,
            batch.label,
        )


def _watch(
    watching: "Monitor", batches: "Iterable[Scored]", feed: "TableFeed | ScoredFeed", state: Path | None
) -> None:
    """Update the monitor with all batches, report the alarm, and save the state from time to time."""
    saved = clock.monotonic()
    for batch, values, label in batches:
        before = watching.alarm
        watching.update_scored(batch, values, label)
        if watching.alarm is not before:
            print_message(f"alarm: {describe_alarm(watching)}")
        if state is not None and clock.monotonic() - saved > SAVE_SECONDS:
            watching.save(state, {"feed": feed.position()})
            saved = clock.monotonic()


def _finish(
    watching: "Monitor", feed: "TableFeed | ScoredFeed", model: Path, state: Path | None, page: Path | None
) -> None:
    """Save the state and write the page."""
    if state is not None:
        watching.save(state, {"feed": feed.position()})
    if page is not None:
        from ebmood.report.monitor_page import monitor_page

        write_page(page, monitor_page(watching, f"Feed of {model.resolve().name}"))
