"""Arguments and options that several commands of the detector share."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder of a fitted detector.", show_default=False)
]
Rows = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE|IMAGES",
        help="A table (.csv, .tsv, .parquet, .jsonl, .xlsx, also .gz or .zst), an array (.npy, .npz), a folder of "
        "Parquet files, a folder of images, or - for CSV on standard input.",
        show_default=False,
    ),
]
SkipCorrupt = Annotated[
    bool, typer.Option("--skip-corrupt", help="Images: skip damaged files and list them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Device = Annotated[str, typer.Option(metavar="cpu|cuda|auto", help="Device on which the detector computes.")]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of threads. If other programs use the cores, 1 is fastest. [default: OMP_NUM_THREADS, or all "
        "cores]",
        show_default=False,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="CLUSTER",
        help="Run on a Dask cluster: local:N, slurm:N, or tcp://HOST:PORT of a running scheduler.",
        show_default=False,
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        help="False-alarm rate of the flags, without a new fit. [default: that of the fit]",
        show_default=False,
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Read a column as categories, whose values have no order. Name or pattern. May be repeated.",
    ),
]
Number = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Read a column as numbers. Name or pattern. May be repeated."),
]
Date = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Read a column as dates or times. Name or pattern. May be repeated."),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD", help="A word for a missing value, such as OFF or -999. May be repeated."),
]


class OnError(StrEnum):
    """What to do with a row that cannot be read."""

    mark = "mark"
    fail = "fail"


OnErrorOption = Annotated[
    OnError,
    typer.Option(
        "--on-error",
        help="A row that cannot be read: mark gives it an empty score and the reason; fail stops the command.",
    ),
]
MaxBad = Annotated[
    float,
    typer.Option(
        "--max-bad",
        metavar="FRACTION",
        help="Largest fraction of marked rows; more is an error. A single one is none, except with 0.",
    ),
]
Reasons = Annotated[
    int,
    typer.Option("--reasons", min=0, metavar="K", help="Name the K columns that explain each flagged row."),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Leave out a column, by name or pattern ('id_*'). May be repeated."),
]


def allow_imports_from(folder: Path) -> None:
    """Let import paths of the user name modules of a folder from now on, after all other modules of that name."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def use_threads(count: int | None) -> None:
    """Compute on `count` threads from now on. None leaves the defaults of the libraries."""
    if count is None:
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count)
