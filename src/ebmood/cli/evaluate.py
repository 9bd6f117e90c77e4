"""`ebmood evaluate`: measure a detector on rows that are known to be normal or out-of-distribution."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.messages import interrupted, print_json
from ebmood.cli.options import Device, Drop, Json, Model, SkipCorrupt
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.report import detector_page_of, refuse_folder, write_page

if TYPE_CHECKING:
    from ebmood.detector import EnergyDetector
    from ebmood.results.tables.table import Table

EPILOG = """Examples

    ebmood evaluate model --in normal-test.csv --out faults.csv

    ebmood evaluate model --in normal.parquet --out leaks.csv cracks.csv --json

    ebmood evaluate model --in normal-test.csv --out faults.csv --page report.html

    ebmood evaluate model --in photos --out blurred paintings

The normal rows must not be training rows. Exit codes: 0 success, 2 invalid input, 130 interrupted."""


def evaluate(
    model: Model,
    inside: Annotated[
        Path,
        typer.Option(
            "--in",
            metavar="TEST",
            help="Normal rows or images that are not training rows.",
            show_default=False,
        ),
    ],
    outside: Annotated[
        list[Path],
        typer.Option(
            "--out",
            metavar="OOD...",
            help="Out-of-distribution rows or images: one or more tables or folders.",
            show_default=False,
        ),
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="OOD", hidden=True)] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write an HTML page with curves and the most anomalous rows.",
            show_default=False,
        ),
    ] = None,
    drop: Drop = None,
    skip_corrupt: SkipCorrupt = False,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Measure how well a detector separates normal rows from others, and its false alarms.

    AUROC: probability that a normal row scores higher than another row.
    AUC-PR: average precision, with normal or with other rows as positives.
    FPR95: fraction of other rows at or above the score that 95 % of normal
    rows reach.
    Flagged: fraction of rows below the threshold of the detector; for
    normal rows this is the false-alarm rate.
    """
    tables = [inside, *outside, *(more or ())]
    try:
        with progress_bar("scoring") as progress:
            import numpy as np

            from ebmood.core.metrics import separation
            from ebmood.detector.io.open_input import open_input
            from ebmood.detector.saved_detector import load_saved_detector, score_input

            if page is not None:
                refuse_folder(page)
            detector = load_saved_detector(model, device)
            sources = [open_input(table, skip_corrupt) for table in tables]
            batches = [list(score_input(detector, source, (), drop or (), progress)) for source in sources]
            if page is not None:
                progress("writing the page", None)
                write_page(page, detector_page_of(model, inside, tables[1:], drop or (), skip_corrupt))
    except KeyboardInterrupt:
        raise interrupted("nothing was measured") from None
    scores = [np.concatenate([batch.scores for batch in parts]) for parts in batches]
    flags = [np.concatenate([batch.flags for batch in parts]) for parts in batches]
    results = [
        {"table": str(table), "rows": len(flag), "flagged": float(flag.mean())}
        for table, flag in zip(tables, flags, strict=True)
    ]
    for result, others in zip(results[1:], scores[1:], strict=True):
        result |= asdict(separation(scores[0], others))
    estimator = detector.estimator
    if json:
        expected = {"alpha": estimator.alpha, "false_alarm_rate": estimator.false_alarm_rate_}
        print_json({"model": str(model), **expected, "in": results[0], "out": results[1:]})
        return
    from rich.console import Console

    from ebmood.cli.terminal_tables import UNBOUNDED, print_table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNBOUNDED)
    print_table(console, _table(model, results, estimator))


def _table(model: Path, results: list[dict], estimator: "EnergyDetector") -> "Table":
    """Return the results as a table, whose first row is for the normal rows."""
    from ebmood.results.tables.table import Column, Table

    columns = (
        Column("table", "table"),
        Column("rows", "rows"),
        Column("flagged", "flagged", "number"),
        Column("auroc", "AUROC", "number"),
        Column("aupr_id", "AUC-PR, normal", "number"),
        Column("aupr_ood", "AUC-PR, others", "number"),
        Column("fpr95", "FPR95", "number"),
    )
    rows = tuple(tuple(result.get(column.key) for column in columns) for result in results)
    rate, normal = estimator.false_alarm_rate_, results[0]["rows"]
    calibration = len(estimator.calibration_scores_)
    # The rate of one fit is Beta distributed, and the fraction of flagged rows is binomial given that rate.
    deviation = (rate * (1 - rate) * (1 / (calibration + 2) + 1 / normal)) ** 0.5
    note = (
        f"The first table holds the normal rows. The expected fraction of flagged normal rows is {rate:.3f} on "
        f"average, with a standard deviation of {deviation:.3f} for {calibration} calibration rows and {normal} rows "
        "here."
    )
    return Table("evaluation", f"{model}, evaluated", columns, rows, (note,))
