"""`ebmood score`: a detector and a table to scores. What is heavy loads when the command runs."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli.options import (
    Cluster,
    Device,
    Drop,
    Json,
    Model,
    Rows,
    SkipCorrupt,
    Threads,
    print_json,
    stopped,
    tell,
    tell_skipped,
    use_threads,
)
from ebmood.cli.progress_bar import bar

EPILOG = """[bold]Examples[/bold]

    ebmood score model new.csv -o scores.csv --keep id

    ebmood score model parquet-folder -o scores.parquet --keep 'key_*'

    ebmood score model parquet-folder -o score-folder --cluster tcp://head:8786

    ebmood score model photos -o scores.csv

    zcat big.csv.gz | ebmood score model - -o - --keep id | grep ',true$'

The table may be larger than memory, and its columns in any order.

A folder of Parquet files goes to a folder file by file, several at once; those that are there
already, from the same model and rows, are not scored again. A folder of images goes to one file,
where the column `file` has their paths inside the folder.

Exit codes: 0 done, 1 files of a folder could not be scored, 2 something to mend, 130 stopped. An OUT
that is one file is there after 0 alone."""


def score(
    model: Model,
    table: Rows,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A .csv or .parquet file, - for CSV on standard output, or a folder for a folder.",
            show_default=False,
        ),
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Copy a column to OUT. Repeat it, or give a pattern."),
    ] = None,
    drop: Drop = None,
    threads: Threads = None,
    device: Device = "cpu",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Files of a folder at once. [default: all cores, or all workers]",
        ),
    ] = None,
    cluster: Cluster = None,
    skip_corrupt: SkipCorrupt = False,
    json: Json = False,
) -> None:
    """Score the rows of a table, or images: how ordinary each is, its p-value, and a flag.

    OUT has a row for each row of TABLE, in order: the kept columns, then
    `score` (higher is more ordinary), `p_value` (small is strange) and
    `flag` (true where the p-value is at most the alpha of the fit).
    """
    if table.is_dir() and (out.is_dir() or not out.suffix) and str(out) != "-":
        raise typer.Exit(_folder(model, table, out, keep or (), drop or (), device, jobs, cluster, json))
    began = time.monotonic()
    rows = flagged = 0
    try:
        with bar("scoring") as watch:
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.image_detector import ImageFolder
            from ebmood.detector.io.score_writer import open_scores
            from ebmood.detector.io.table_stream import STANDARD
            from ebmood.detector.saved_detector import load_detector, open_source, scored

            use_threads(threads)
            if jobs or cluster:
                raise EbmoodError(
                    "-j and --cluster are for a folder of Parquet files whose scores go to a folder; name one with -o"
                )
            if str(out) == STANDARD and json:
                raise EbmoodError("-o - and --json both take standard output; name a file with -o")
            if out.exists() and table.exists() and out.samefile(table):
                raise EbmoodError(f"{out}: is the table itself; give -o another file")
            detector, source = load_detector(model, device), open_source(table, skip_corrupt)
            with open_scores(out) as write:
                for piece in scored(detector, source, keep or (), drop or (), watch):
                    write(piece)
                    rows += len(piece.scores)
                    flagged += int(piece.flags.sum())
    except KeyboardInterrupt:
        raise stopped(f"nothing was written to {out}") from None
    seconds = time.monotonic() - began
    skipped = source.skipped if isinstance(source, ImageFolder) else None
    if json:
        alpha = detector.detector.alpha
        outcome = {"out": str(out), "rows": rows, "flagged": flagged, "alpha": alpha}
        outcome |= {} if skipped is None else {"skipped": skipped}
        print_json(outcome | {"seconds": round(seconds, 3)})
        return
    tell_skipped(skipped or ())
    tell(
        f"{out}: {rows} rows, {flagged} flagged ({flagged / rows:.1%}; of rows like those of the fit, "
        f"{detector.false_alarm_rate:.1%} on average), in {seconds:.0f} s"
    )


def _folder(
    model: Path,
    table: Path,
    out: Path,
    keep: Sequence[str],
    drop: Sequence[str],
    device: str,
    jobs: int | None,
    cluster: str | None,
    json: bool,
) -> int:
    """Score a folder file by file. Returns the exit code."""
    began = time.monotonic()
    try:
        with bar("scoring") as watch:
            from ebmood.cli.executor_options import executors
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.folder_scoring import score_folder
            from ebmood.detector.image_detector import ImageDetector
            from ebmood.detector.saved_detector import load_detector

            detector = load_detector(model)  # what is wrong with it is told once
            if isinstance(detector, ImageDetector):
                raise EbmoodError(f"{out}: scores of images go to one file; give -o a name such as {out}.csv")
            with executors(cluster, jobs) as (many, open_executor):
                scores = score_folder(
                    model,
                    table,
                    out,
                    keep=keep,
                    drop=drop,
                    device=device,
                    jobs=many,
                    open_executor=open_executor,
                    watch=watch,
                )
    except KeyboardInterrupt:
        raise stopped(f"finished files are kept in {out}; the same command goes on") from None
    rows = sum(file.rows for file in scores.done.values())
    flagged = sum(file.flagged for file in scores.done.values())
    kept = sum(not file.fresh for file in scores.done.values())
    failed = {str(name): reason for name, reason in sorted(scores.failed.items())}
    seconds = time.monotonic() - began
    for reason in failed.values():
        tell(f"failed: {reason}")
    if json:
        outcome = {"out": str(out), "files": len(scores.done), "kept": kept, "failed": failed}
        outcome |= {"rows": rows, "flagged": flagged, "alpha": detector.detector.alpha}
        print_json(outcome | {"seconds": round(seconds, 3)})
    else:
        there = f" ({kept} of them there already)" if kept else ""
        tell(
            f"{out}: {len(scores.done)} files{there}, {rows} rows, {flagged} flagged "
            f"({flagged / max(1, rows):.1%}; of rows like those of the fit, "
            f"{detector.false_alarm_rate:.1%} on average), in {seconds:.0f} s"
        )
    if failed:
        tell(
            f"{len(failed)} of {len(failed) + len(scores.done)} files failed; the same command tries them again"
        )
    return 1 if failed else 0
