"""`ebmood score`: compute the scores of a table or of a folder of images. Heavy libraries are imported when it runs."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli import score_classifier
from ebmood.cli.classifier_files import Module, Onnx, Weights
from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import interrupted, print_json, print_message, print_others, print_skipped
from ebmood.cli.options import (
    Alpha,
    Cluster,
    Device,
    Drop,
    Json,
    MaxBad,
    Model,
    OnError,
    OnErrorOption,
    Reasons,
    Rows,
    SkipCorrupt,
    Threads,
    use_threads,
)
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.saved_classifier import is_classifier, refuse_network, refuse_table_options

if TYPE_CHECKING:
    from ebmood.detector.calibrated import Calibrated
    from ebmood.detector.raw.folder_scoring import FolderScores

EPILOG = """Examples

    ebmood score model new.csv -o scores.csv --keep id

    ebmood score model parquet-folder -o scores.parquet --keep 'key_*'

    ebmood score model parquet-folder -o score-folder --cluster tcp://head:8786

    ebmood score model photos -o scores.csv

    ebmood score model photos -o scores.csv --maps maps

    zcat big.csv.gz | ebmood score model - -o - --keep id | grep ',true,'

    ebmood score model new.npz -o scores.csv --module shop.networks:classifier --weights shop.safetensors

The table may be larger than memory, and its columns may be in any order.

If OUT is a folder, the files of a folder of Parquet files are scored one by one, several at the same
time. Existing scores of the same detector and rows are kept. A folder of images is scored to one
file, whose column `file` holds the path of each image inside the folder.

Exit codes: 0 success, 1 some files of a folder could not be scored, 2 invalid input, 130 interrupted.
If OUT is a file, it is written only with exit code 0."""


def score(
    model: Model,
    table: Rows,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A .csv or .parquet file, - for CSV on standard output, or a folder if the input is a folder.",
            show_default=False,
        ),
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Copy a column to OUT, by name or pattern. May be repeated."),
    ] = None,
    drop: Drop = None,
    alpha: Alpha = None,
    reasons: Reasons = 0,
    on_error: OnErrorOption = OnError.mark,
    max_bad: MaxBad = 0.001,
    threads: Threads = None,
    device: Device = "cpu",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Folder: number of files at the same time. [default: all cores, or all workers]",
        ),
    ] = None,
    cluster: Cluster = None,
    maps: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Detector of `fit --where`: write a picture of what is strange in each flagged image, NAME.png.",
            show_default=False,
        ),
    ] = None,
    embed: EmbedAgain = None,
    skip_corrupt: SkipCorrupt = False,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
    json: Json = False,
) -> None:
    """Compute a score, a p-value and a flag for each row of a table, or for each image.

    OUT has one row for each row of the input, in the same order: the kept
    columns, then `score` (higher is more normal), `p_value` (small is
    anomalous) and `flag` (true if the p-value is at most alpha). With
    --reasons, `reasons` names the columns that explain a flagged row. A
    row that cannot be read has no score, and the reason in `error`. With a
    detector of `fit --where`, the columns `where_x` and `where_y` hold the
    pixel at the centre of the strangest patch of each image.
    A detector of a classifier (fit-classifier) needs its network, and takes
    an .npz file or a folder of images.
    """
    start = time.monotonic()
    if is_classifier(model):
        others = {"--keep": keep, "--drop": drop, "--reasons": reasons, "--maps": maps, "--embed": embed}
        refuse_table_options(others | {"-j": jobs, "--cluster": cluster})
        _check_options(table, out, None, None, json)
        score_classifier.run(
            model,
            table,
            out,
            module=module,
            weights=weights,
            onnx=onnx,
            alpha=alpha,
            device=device,
            threads=threads,
            skip_corrupt=skip_corrupt,
            mark_bad_rows=on_error is OnError.mark,
            max_bad=max_bad,
            json=json,
        )
        return
    refuse_network(model, module, weights, onnx)
    options = (on_error is OnError.mark, max_bad, reasons)
    if maps is not None and not table.is_dir():
        from ebmood.core.errors import EbmoodError

        raise EbmoodError(f"{table}: a table, but --maps is for a folder of images; leave it out")
    if table.is_dir() and (out.is_dir() or not out.suffix) and str(out) != "-":
        folder_scores, estimator = _score_folder(
            model, table, out, keep or (), drop or (), device, alpha, options, jobs, cluster
        )
        raise typer.Exit(_report_folder(out, folder_scores, estimator, time.monotonic() - start, json))
    rows = flagged = 0
    try:
        with progress_bar("scoring") as progress:
            from ebmood.detector.io.image_stream import ImageStream
            from ebmood.detector.io.open_input import open_input
            from ebmood.detector.io.score_writer import open_score_writer
            from ebmood.detector.raw.batch_notes import BatchNotes
            from ebmood.detector.raw.saved_detector import load_any_detector, score_input
            from ebmood.detector.raw.score_options import ScoreOptions

            use_threads(threads)
            _check_options(table, out, jobs, cluster, json)
            detector, source = (
                load_any_detector(model, device, alpha, allow_import(embed)),
                open_input(table, skip_corrupt),
            )
            score_options, notes = ScoreOptions(*options), BatchNotes()
            with open_score_writer(out) as write:
                for batch in score_input(
                    detector, source, keep or (), drop or (), progress, score_options, notes, maps
                ):
                    write(batch)
                    rows += len(batch.scores)
                    flagged += int(batch.flags.sum())
    except KeyboardInterrupt:
        raise interrupted(f"nothing was written to {out}") from None
    seconds = time.monotonic() - start
    skipped = source.skipped if isinstance(source, ImageStream) else None
    others = source.others if isinstance(source, ImageStream) else ()
    if json:
        result = {"out": str(out), "rows": rows, "flagged": flagged, "alpha": detector.estimator.alpha}
        result |= notes.to_json() if skipped is None else {"skipped": skipped, "others": list(others)}
        print_json(result | {"seconds": round(seconds, 3)})
        return
    print_skipped(skipped or ())
    print_others(others)
    print_message(f"{out}: {_describe_counts(rows, flagged, detector.estimator, seconds)}")
    for line in notes.lines(detector.estimator.false_alarm_rate_):
        print_message(line)


def _check_options(table: Path, out: Path, jobs: int | None, cluster: str | None, json: bool) -> None:
    """Check options for scores that are written to one file."""
    from ebmood.core.errors import EbmoodError
    from ebmood.detector.io.open_input import STANDARD

    if jobs or cluster:
        raise EbmoodError(
            "-j and --cluster apply only to a folder of Parquet files with a folder for the scores; give one with -o"
        )
    if str(out) == STANDARD and json:
        raise EbmoodError("-o - and --json both write to standard output; give a file with -o")
    if out.exists() and table.exists() and out.samefile(table):
        raise EbmoodError(f"{out}: is the table itself; give another file with -o")


def _describe_counts(rows: int, flagged: int, estimator: "Calibrated", seconds: float) -> str:
    from ebmood.detector.raw.items import items_of

    items = items_of(estimator).many
    return (
        f"{rows} {items}, {flagged} flagged ({flagged / max(1, rows):.1%}; expected for normal {items}: "
        f"{estimator.false_alarm_rate_:.1%}), in {seconds:.0f} s"
    )


def _score_folder(
    model: Path,
    table: Path,
    out: Path,
    keep: Sequence[str],
    drop: Sequence[str],
    device: str,
    alpha: float | None,
    options: tuple[bool, float, int],
    jobs: int | None,
    cluster: str | None,
) -> "tuple[FolderScores, Calibrated]":
    """Score a folder file by file."""
    try:
        with progress_bar("scoring") as progress:
            from ebmood.cli.executor_options import open_executors
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.raw.folder_scoring import score_folder
            from ebmood.detector.raw.saved_detector import load_any_detector
            from ebmood.detector.raw.score_options import ScoreOptions
            from ebmood.detector.raw.table_detector import TableDetector

            detector = load_any_detector(
                model, alpha=alpha
            )  # reports a problem of the detector once, not for every file
            if not isinstance(detector, TableDetector):
                raise EbmoodError(
                    f"{out}: scores of images are written to one file; give a name such as {out}.csv with -o"
                )
            with open_executors(cluster, jobs) as (tasks, open_executor):
                scores = score_folder(
                    model,
                    table,
                    out,
                    keep=keep,
                    drop=drop,
                    device=device,
                    alpha=alpha,
                    options=ScoreOptions(*options),
                    jobs=tasks,
                    open_executor=open_executor,
                    progress=progress,
                )
    except KeyboardInterrupt:
        raise interrupted(f"finished files are kept in {out}; repeat the command to continue") from None
    return scores, detector.estimator


def _report_folder(
    out: Path, scores: "FolderScores", estimator: "Calibrated", seconds: float, json: bool
) -> int:
    """Print the results for a folder, and return the exit code."""
    files = scores.completed.values()
    rows, flagged = sum(file.rows for file in files), sum(file.flagged for file in files)
    bad_rows = sum(file.bad_rows for file in files)
    existing = sum(not file.is_new for file in files)
    failed = {str(name): reason for name, reason in sorted(scores.failed.items())}
    for reason in failed.values():
        print_message(f"failed: {reason}")
    if json:
        result = {"out": str(out), "files": len(files), "kept": existing, "failed": failed}
        result |= {"rows": rows, "flagged": flagged, "bad_rows": bad_rows, "alpha": estimator.alpha}
        print_json(result | {"seconds": round(seconds, 3)})
    else:
        note = f" ({existing} of them already existed)" if existing else ""
        counts = _describe_counts(rows, flagged, estimator, seconds)
        print_message(f"{out}: {len(files)} files{note}, {counts}")
        if bad_rows:
            print_message(f"bad rows, without a score: {bad_rows}; the column `error` says why")
    if failed:
        print_message(
            f"{len(failed)} of {len(failed) + len(files)} files failed; repeat the command to try them again"
        )
    return 1 if failed else 0
