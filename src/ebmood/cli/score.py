"""`ebmood score`: a detector and a table to scores. What is heavy loads when the command runs."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli.bar import bar
from ebmood.cli.options import Device, Drop, Json, Model, print_json, stopped, tell

EPILOG = """[bold]Examples[/bold]

    ebmood score model new.csv -o scores.csv --keep id

    ebmood score model parquet-folder -o scores.parquet --keep 'key_*'

    zcat big.csv.gz | ebmood score model - -o - --keep id | grep ',true$'

The table may be larger than memory, and its columns in any order.

Exit codes: 0 done, 2 something to mend, 130 stopped; OUT is there after 0 alone."""


def score(
    model: Model,
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="CSV with a header, Parquet, a folder of Parquet files, or - for CSV on standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A .csv or .parquet file, or - for CSV on standard output.",
            show_default=False,
        ),
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Copy a column to OUT. Repeat it, or give a pattern."),
    ] = None,
    drop: Drop = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Score the rows of a table: how ordinary each is, its p-value, and a flag.

    OUT has a row for each row of TABLE, in order: the kept columns, then
    `score` (higher is more ordinary), `p_value` (small is strange) and
    `flag` (true where the p-value is at most the alpha of the fit).
    """
    began = time.monotonic()
    rows = flagged = 0
    try:
        with bar("scoring") as watch:
            from ebmood.detector.streaming import STANDARD, open_table
            from ebmood.detector.tabular import TableDetector
            from ebmood.detector.writing import open_scores
            from ebmood.errors import EbmoodError

            if str(out) == STANDARD and json:
                raise EbmoodError("-o - and --json both take standard output; name a file with -o")
            if out.exists() and table.exists() and out.samefile(table):
                raise EbmoodError(f"{out}: is the table itself; give -o another file")
            detector = TableDetector.load(model, device)
            with open_scores(out) as write:
                for piece in detector.scored(open_table(table), keep or (), drop or (), watch):
                    write(piece)
                    rows += len(piece.scores)
                    flagged += int(piece.flags.sum())
    except KeyboardInterrupt:
        raise stopped(f"nothing was written to {out}") from None
    seconds = time.monotonic() - began
    if json:
        alpha = detector.detector.alpha
        outcome = {"out": str(out), "rows": rows, "flagged": flagged, "alpha": alpha}
        print_json(outcome | {"seconds": round(seconds, 3)})
        return
    tell(
        f"{out}: {rows} rows, {flagged} flagged ({flagged / rows:.1%}; of rows like those of the fit, "
        f"{detector.false_alarm_rate:.1%} on average), in {seconds:.0f} s"
    )
