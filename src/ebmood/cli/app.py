"""The commands and their options. Each command imports what it needs when it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli import check as check_
from ebmood.cli import evaluate as evaluate_
from ebmood.cli import fit as fit_
from ebmood.cli import fit_classifier as fit_classifier_
from ebmood.cli import inspect as inspect_
from ebmood.cli import monitor as monitor_
from ebmood.cli import recalibrate as recalibrate_
from ebmood.cli import report as report_
from ebmood.cli import score as score_
from ebmood.cli import serve as serve_
from ebmood.cli.classifier_files import Module, Onnx, Weights
from ebmood.cli.options import Cluster
from ebmood.cli.plain_help import PlainCommand, PlainGroup

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Out-of-distribution detection with energy-based models: a detector for your data, and studies of methods.

Examples

    ebmood check normal.csv                    show what the columns hold

    ebmood fit normal.csv -o model             learn from normal rows

    ebmood score model new.csv -o scores.csv   compute a score, a p-value and a flag for each row

    ebmood fit-classifier held-out.npz -o model --module shop:network
                                               fit a detector for a trained classifier

    ebmood monitor model feed.csv              give an alarm when a feed of rows has changed

    ebmood report model -o page.html           write a page about the detector

    ebmood serve model                         answer HTTP requests with scores

    ebmood study quick                         run every method on real data with short training: under three minutes

    ebmood study --list                        list the studies that ship with ebmood

    ebmood study mine.yaml -j 4                run a study of your own, four cells at once

    ebmood tables ebmood-mine                  write tables and figures from the records
""",
)


Full = Annotated[bool, typer.Option("--full", help="Print all tables before the answer.")]


class Device(StrEnum):
    """Device of the training."""

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


app.command(cls=PlainCommand, epilog=check_.EPILOG)(check_.check)
app.command(cls=PlainCommand, epilog=fit_.EPILOG)(fit_.fit)
app.command(cls=PlainCommand, epilog=fit_classifier_.EPILOG)(fit_classifier_.fit_classifier)
app.command(cls=PlainCommand, epilog=score_.EPILOG)(score_.score)
app.command(cls=PlainCommand, epilog=evaluate_.EPILOG)(evaluate_.evaluate)
app.command(cls=PlainCommand, epilog=monitor_.EPILOG)(monitor_.monitor)
app.command(cls=PlainCommand, epilog=recalibrate_.EPILOG)(recalibrate_.recalibrate)
app.command(cls=PlainCommand, epilog=inspect_.EPILOG)(inspect_.inspect)
app.command(cls=PlainCommand, epilog=report_.EPILOG)(report_.report)
app.command(cls=PlainCommand, epilog=serve_.EPILOG)(serve_.serve)


@app.command(
    cls=PlainCommand,
    epilog="""Examples

    ebmood study quick

    ebmood study segment -o results/segment -j 2

    ebmood study gamma --seed 0                run one seed now and the others later

    ebmood study mine.yaml --retry-failed

    ebmood study segment --cluster tcp://head:8786

    ebmood study --watch ebmood-segment

    ebmood study segment --stop-after 9m       what is left runs at the next call

    ebmood study quick --nudge --seed 0        is each training repeatable?

Ctrl-C interrupts a study, and the same command resumes it. Exit codes: 0 success, 1 some cells
failed, 2 an error in the command, the file or the data, 130 interrupted.""",
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
            help="Folder for records, tables and figures. [default: ebmood-NAME]",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Number of parallel cells, one core each. [default: all cores, or all workers]",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Run only the cells of this seed; may be repeated. [default: all]",
            show_default=False,
        ),
    ] = None,
    cluster: Cluster = None,
    device: Annotated[Device, typer.Option(help="Device of the training.")] = Device.cpu,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Resume interrupted cells from checkpoints, or start them again."
        ),
    ] = True,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events to FOLDER/tensorboard.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder of the image sets. [default: $EBMOOD_DATA]", show_default=False
        ),
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Download missing image sets.")] = False,
    skip_corrupt: Annotated[
        bool, typer.Option("--skip-corrupt", help="Skip damaged images and count them.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Run without missing natural image sets.")
    ] = False,
    watch: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Show the progress of a study that runs in another terminal.",
            show_default=False,
        ),
    ] = None,
    stop_after: Annotated[
        str | None,
        typer.Option(
            "--stop-after",
            metavar="TIME",
            help="Stop after a time such as 9m or 1h30m: trainings write a checkpoint, and the same command continues "
            "them with equal results. Allow half a minute more for a job's time limit.",
            show_default=False,
        ),
    ] = None,
    nudge: Annotated[
        bool,
        typer.Option(
            "--nudge",
            help="Also train each network again with one last bit of one weight moved, and compare the scores.",
        ),
    ] = False,
    full: Full = False,
    list_studies: Annotated[
        bool, typer.Option("--list", help="List the studies that ship with ebmood.")
    ] = False,
) -> None:
    """Run the cells of a study that have no record, then print its answer.

    The answer is the paper's claims with verdicts, or the scores of the
    methods for other data, in at most 40 lines. FOLDER/results.md has all
    tables and figures. Every cell (data set x recipe x seed) appends one line
    to FOLDER/records.jsonl, and its training history to FOLDER/metrics/.
    Scores do not depend on -j or --cluster.
    """
    from ebmood.cli import study as command

    if list_studies:
        command.list_presets()
    elif watch is not None:
        from ebmood.cli.study_watch import watch as watch_study

        try:
            raise typer.Exit(watch_study(watch))
        except KeyboardInterrupt:  # the study continues in its own process
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
                full,
                stop_after,
                nudge,
            )
        )


@app.command(cls=PlainCommand, epilog="Example\n\n    ebmood tables ebmood-quick")
def tables(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of a study.", show_default=False)
    ],
    full: Full = False,
) -> None:
    """Write the tables and figures of a study from its records, and print its answer."""
    from ebmood.cli.study_answer import print_answer
    from ebmood.study.runner import read_study

    print_answer(*read_study(folder), folder, full)


@app.command(
    cls=PlainCommand,
    epilog="""Examples

    ebmood export pumps-model pumps.onnx

    ebmood export watch watch.onnx --rows new.npz --module shop.networks:classifier

Exit codes: 0 success, 2 invalid input, or the graph disagrees; then nothing is written.""",
)
def export(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a fitted detector.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="File to write.", show_default=False)],
    rows: Annotated[
        Path | None,
        typer.Option(
            metavar="ROWS",
            help="Detector of a classifier: an .npz file or a folder of images, whose first inputs are compared.",
            show_default=False,
        ),
    ] = None,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
) -> None:
    """Write a detector as one ONNX graph from raw rows to scores and p-values.

    The results of the graph in onnxruntime are compared with the detector, and the file is written only
    if they agree. With a detector of a classifier, the graph holds the network and gives its logits as
    well. This needs the extra `onnx`: pip install 'ebmood[onnx]'.
    """
    from ebmood.cli import export as command

    command.run(model, out, rows, module, weights, onnx)
