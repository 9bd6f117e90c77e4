"""`ebmood fit`: a table to a detector. What is heavy loads when the command runs."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli.bar import bar
from ebmood.cli.options import Device, Drop, Json, print_json, stopped, tell

EPILOG = """[bold]Examples[/bold]

    ebmood fit normal.csv -o model

    ebmood fit pumps.parquet -o model --drop id --one-hot site --impute '*'

    ebmood fit labelled.csv -o model --label-column state --supervised

    zcat big.csv.gz | ebmood fit - -o model

The table should hold ordinary rows alone. Then: ebmood score model new.csv -o scores.csv

Exit codes: 0 done, 2 something to mend, 130 stopped."""


def fit(
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
        typer.Option("--out", "-o", metavar="MODEL", help="The folder to write.", show_default=False),
    ],
    label_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Classes of the rows: no feature; learnt with --supervised."),
    ] = None,
    drop: Drop = None,
    one_hot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="Encode text or codes as a column for each category. Or a pattern."
        ),
    ] = None,
    impute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="Fill missing numbers in with the median. Or a pattern: '*' is all."
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Which share of rows like these may be flagged: the false-alarm rate.")
    ] = 0.05,
    calibration: Annotated[
        float, typer.Option(help="Rows held out to calibrate: a share below 1, or a number of rows.")
    ] = 0.2,
    supervised: Annotated[bool, typer.Option("--supervised", help="Learn from the classes as well.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same table: same detector.")] = 0,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Training steps of each network; fewer is quicker and worse."),
    ] = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Fit a detector on a table of ordinary rows, and save it.

    Some rows are held out and calibrate the p-values and the flags.
    Encodings and medians are saved with the detector, so that
    `ebmood score` treats new tables alike. No file is a pickle.
    """
    began = time.monotonic()
    try:
        with bar("reading") as watch:
            from ebmood.detector import EnergyDetector, EnergySettings
            from ebmood.detector.streaming import open_table
            from ebmood.detector.tabular import TableDetector
            from ebmood.errors import EbmoodError

            if out.is_file():
                raise EbmoodError(f"{out}: is a file; give -o a folder to save the detector to")
            whole = calibration >= 1 and calibration.is_integer()
            detector = EnergyDetector(
                alpha=alpha,
                calibration=int(calibration) if whole else calibration,
                supervised=supervised,
                energy=None if steps is None else EnergySettings(steps=steps),
                device=device,
                random_state=seed,
            )
            fitted = TableDetector.fit(
                detector, open_table(table), label_column, drop or (), one_hot or (), impute or (), watch
            )
            fitted.save(out)
    except KeyboardInterrupt:
        raise stopped(f"{out} is as it was before") from None
    seconds = time.monotonic() - began
    if json:
        from ebmood.cli.inspect import summary

        print_json({"model": str(out), "seconds": round(seconds, 3), **summary(out)})
        return
    tell(
        f"{out}: fitted on {detector.n_training_rows_} rows of {detector.n_features_in_} features, calibrated on "
        f"{len(detector.calibration_scores_)} more, in {seconds:.0f} s. Next: ebmood score {out} NEW.csv -o SCORES.csv"
    )
