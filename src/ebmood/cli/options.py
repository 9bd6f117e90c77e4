"""Arguments and options that several commands of the detector share, and how they say what came out."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

SHOWN = 5

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="The folder of a fitted detector.", show_default=False)
]
Rows = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE|IMAGES",
        help="CSV with a header, Parquet, a folder of Parquet files or of images, or - for CSV on standard input.",
        show_default=False,
    ),
]
SkipCorrupt = Annotated[
    bool, typer.Option("--skip-corrupt", help="Images: leave damaged ones out, and tell.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON on standard output.")]
Device = Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Where the detector computes.")]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Cores to compute on; where others are busy, 1 is the fastest. [default: OMP_NUM_THREADS, or all]",
        show_default=False,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="Run on a Dask cluster: local:N, slurm:N, or a running scheduler's tcp://HOST:PORT.",
        show_default=False,
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Leave a column out. Repeat it, or give a pattern such as 'id_*'."),
]


def use_threads(count: int | None) -> None:
    """Compute on `count` threads from here on, if a number was asked for; else as the libraries would."""
    if count is None:
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count)


def tell_skipped(skipped: Sequence[str]) -> None:
    """Which images were left out, on standard error."""
    for line in skipped[:SHOWN]:
        tell(f"left out: {line}")
    if len(skipped) > SHOWN:
        tell(f"left out: {len(skipped) - SHOWN} more")


def tell(line: str) -> None:
    """One line for people, on standard error."""
    print(line, file=sys.stderr)


def print_json(content: dict[str, Any]) -> None:
    """The outcome for machines, on standard output."""
    import json

    print(json.dumps(content, ensure_ascii=False, allow_nan=False))


def stopped(what: str) -> typer.Exit:
    """What to raise after Ctrl-C: exit code 130, and a line that says that nothing was kept."""
    tell(f"ebmood: stopped; {what}")
    return typer.Exit(130)
