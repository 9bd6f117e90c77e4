"""`ebmood evaluate`: a detector against rows of which it is known what they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.options import Device, Drop, Json, Model, SkipCorrupt, print_json, stopped
from ebmood.cli.progress_bar import bar
from ebmood.cli.report import of_model, refuse_folder, write_page

if TYPE_CHECKING:
    from ebmood.detector.saved_detector import SavedDetector
    from ebmood.results.table import Table

EPILOG = """[bold]Examples[/bold]

    ebmood evaluate model --in ordinary.csv --out faults.csv

    ebmood evaluate model --in test.parquet --out leaks.csv cracks.csv --json

    ebmood evaluate model --in ordinary.csv --out faults.csv --page report.html

    ebmood evaluate model --in photos --out blurred paintings

The ordinary rows must not be those of the fit. Exit codes: 0 done, 2 something to mend, 130 stopped."""


def evaluate(
    model: Model,
    inside: Annotated[
        Path,
        typer.Option(
            "--in", metavar="TEST", help="Ordinary rows or images, not those of the fit.", show_default=False
        ),
    ],
    outside: Annotated[
        list[Path],
        typer.Option(
            "--out", metavar="OOD...", help="Out-of-distribution rows: one table or more.", show_default=False
        ),
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="OOD", hidden=True)] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page with curves and the strangest rows too.", show_default=False
        ),
    ] = None,
    drop: Drop = None,
    skip_corrupt: SkipCorrupt = False,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Measure a detector: how well it tells ordinary rows from others, and its false alarms.

    AUROC: how often an ordinary row scores above another one.
    AUC-PR: average precision, with ordinary or with other rows sought.
    FPR95: how many others pass where 95 % of the ordinary rows pass.
    Flagged: the share below the detector's own threshold, which for
    ordinary rows is the false-alarm rate.
    """
    tables = [inside, *outside, *(more or ())]
    try:
        with bar("scoring") as watch:
            import numpy as np

            from ebmood.core.metrics import separation
            from ebmood.detector.saved_detector import load_detector, open_source, scored

            if page is not None:
                refuse_folder(page)
            detector = load_detector(model, device)
            sources = [open_source(table, skip_corrupt) for table in tables]
            scores = [
                np.concatenate([piece.scores for piece in scored(detector, source, (), drop or (), watch)])
                for source in sources
            ]
            if page is not None:
                watch("writing the page", None)
                write_page(page, of_model(model, inside, tables[1:], drop or (), skip_corrupt))
    except KeyboardInterrupt:
        raise stopped("nothing was measured") from None
    flagged = [float((each < detector.detector.offset_).mean()) for each in scores]
    separations = [separation(scores[0], each) for each in scores[1:]]
    if json:
        sets = [
            {
                "table": str(table),
                "rows": len(each),
                "flagged": share,
                "auroc": of.auroc,
                "aupr_id": of.aupr_id,
                "aupr_ood": of.aupr_ood,
                "fpr95": of.fpr95,
            }
            for table, each, share, of in zip(tables[1:], scores[1:], flagged[1:], separations, strict=True)
        ]
        ordinary = {"table": str(inside), "rows": len(scores[0]), "flagged": flagged[0]}
        promised = {"alpha": detector.detector.alpha, "false_alarm_rate": detector.false_alarm_rate}
        print_json({"model": str(model), **promised, "in": ordinary, "out": sets})
        return
    from rich.console import Console

    from ebmood.cli.show import UNBOUNDED, print_table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNBOUNDED)
    rows: list[tuple] = [(str(inside), len(scores[0]), flagged[0], None, None, None, None)]
    for table, each, share, of in zip(tables[1:], scores[1:], flagged[1:], separations, strict=True):
        rows.append((str(table), len(each), share, of.auroc, of.aupr_id, of.aupr_ood, of.fpr95))
    print_table(console, _table(model, rows, detector))


def _table(model: Path, rows: list, detector: "SavedDetector") -> "Table":
    from ebmood.results.table import Column, Table

    promised, ordinary = detector.false_alarm_rate, rows[0][1]
    held_out = len(detector.detector.calibration_scores_)
    # One fit's own rate is a Beta variable, and the share of flagged rows scatters around that.
    spread = (promised * (1 - promised) * (1 / (held_out + 2) + 1 / ordinary)) ** 0.5
    columns = (
        Column("table", "table"),
        Column("rows", "rows"),
        Column("flagged", "flagged", "number"),
        Column("auroc", "AUROC", "number"),
        Column("aupr_id", "AUC-PR, ordinary", "number"),
        Column("aupr_ood", "AUC-PR, others", "number"),
        Column("fpr95", "FPR95", "number"),
    )
    note = (
        f"The first table holds the ordinary rows. The fit promises that {promised:.3f} of them are flagged on "
        f"average, with a standard deviation of {spread:.3f} for {held_out} calibration rows and {ordinary} rows here."
    )
    return Table("evaluation", f"{model}, measured", columns, tuple(rows), (note,))
