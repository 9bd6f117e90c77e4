"""Arguments and options that several commands of the detector share."""

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
        help="A CSV file with a header, a Parquet file, a folder of Parquet files, a folder of images, or - for CSV on "
        "standard input.",
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
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Leave out a column, by name or pattern ('id_*'). May be repeated."),
]


def use_threads(count: int | None) -> None:
    """Compute on `count` threads from now on. None leaves the defaults of the libraries."""
    if count is None:
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count)
