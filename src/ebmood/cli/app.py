"""The commands and their options. Each command imports what it needs when it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli import evaluate as evaluate_
from ebmood.cli import fit as fit_
from ebmood.cli import inspect as inspect_
from ebmood.cli import report as report_
from ebmood.cli import score as score_
from ebmood.cli.options import Cluster

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Out-of-distribution detection with energy-based models: a detector for your data, and studies of methods.

[bold]Examples[/bold]

    ebmood fit normal.csv -o model             learn from normal rows

    ebmood score model new.csv -o scores.csv   compute a score, a p-value and a flag for each row

    ebmood report model -o page.html           write a page about the detector

    ebmood study quick                         a few minutes on real data: every method, short training

    ebmood study --list                        the studies that ship with ebmood

    ebmood study mine.yaml -j 4                a study of your own, four cells at once

    ebmood tables ebmood-mine                  tables and figures again, from the records alone
""",
)


class Device(StrEnum):
    """Where cells train."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"ebmood {version('ebmood')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None: ...


app.command(epilog=fit_.EPILOG)(fit_.fit)
app.command(epilog=score_.EPILOG)(score_.score)
app.command(epilog=evaluate_.EPILOG)(evaluate_.evaluate)
app.command(epilog=inspect_.EPILOG)(inspect_.inspect)
app.command(epilog=report_.EPILOG)(report_.report)


@app.command(
    epilog="""[bold]Examples[/bold]

    ebmood study quick

    ebmood study segment -o results/segment -j 2

    ebmood study gamma --seed 0                one seed now, the others another time

    ebmood study mine.yaml --retry-failed

    ebmood study segment --cluster tcp://head:8786

    ebmood study --watch ebmood-segment

Stop it with Ctrl-C; the same command goes on where it stopped. Exit codes: 0 done, 1 done but
cells failed, 2 something to mend, 130 stopped."""
)
def study(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME_OR_FILE",
            help="A study that ships with ebmood, or your YAML file.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where records, tables and figures go. [default: ebmood-NAME]",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Cells at once, one core each. [default: all cores, or all workers]",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Run the cells of this seed alone; may be repeated. [default: all]",
            show_default=False,
        ),
    ] = None,
    cluster: Cluster = None,
    device: Annotated[Device, typer.Option(help="Where cells train.")] = Device.cpu,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run cells again that failed before.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Go on in the middle of cells that were stopped, or begin them anew."
        ),
    ] = True,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write for TensorBoard too, under FOLDER/tensorboard.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where image sets are. [default: $EBMOOD_DATA]", show_default=False
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch image sets that are not there.")
    ] = False,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip-corrupt", help="Leave damaged images out, and count them.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Go on without natural image sets that are not there.")
    ] = False,
    watch: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Show a study that runs in another terminal.", show_default=False
        ),
    ] = None,
    list_studies: Annotated[
        bool, typer.Option("--list", help="List the studies that ship with ebmood.")
    ] = False,
) -> None:
    """Run what is missing of a study, then print its tables.

    Every cell (data set x recipe x seed) leaves one line in FOLDER/records.jsonl, and the course of its
    training in FOLDER/metrics/. Running again runs only
    what is not there yet. Scores do not depend on -j, nor on --cluster.
    """
    from ebmood.cli import study as command

    if list_studies:
        command.list_presets()
    elif watch is not None:
        from ebmood.cli.follow import follow

        try:
            raise typer.Exit(follow(watch))
        except KeyboardInterrupt:  # Whoever watches may leave; the study goes on.
            raise typer.Exit from None
    elif name is None:
        raise typer.BadParameter(
            "name a study or a YAML file; `ebmood study --list` shows those that ship with ebmood"
        )
    else:
        raise typer.Exit(
            command.run(
                name,
                out,
                jobs,
                seed,
                device.value,
                retry_failed,
                cluster,
                resume,
                tensorboard,
                command.ImageFiles(
                    data=data and str(data),
                    download=download,
                    skip_corrupt=skip_corrupt,
                    skip_missing=skip_missing,
                ),
            )
        )


@app.command(epilog="[bold]Example[/bold]\n\n    ebmood tables ebmood-quick")
def tables(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of a study.", show_default=False)
    ],
) -> None:
    """Make the tables and figures of a study again, from its records alone."""
    from ebmood.cli.show import show_report
    from ebmood.study.runner import read_study

    show_report(*read_study(folder), folder)


@app.command(epilog="[bold]Example[/bold]\n\n    ebmood export pumps-model pumps.onnx")
def export(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a fitted detector.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="File to write.", show_default=False)],
) -> None:
    r"""Write a detector as one ONNX graph from raw rows to scores and p-values.

    The results of the graph in onnxruntime are compared with the detector, and the file is written only
    if they agree. This needs the extra `onnx`: pip install 'ebmood\[onnx]'.
    """
    from ebmood.cli import export as command

    command.run(model, out)
