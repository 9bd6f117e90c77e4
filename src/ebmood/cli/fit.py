"""`ebmood fit`: a table, or a folder of images, to a detector. What is heavy loads when the command runs."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli.options import (
    Device,
    Drop,
    Json,
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

    ebmood fit normal.csv -o model

    ebmood fit pumps.parquet -o model --drop id --one-hot site --impute '*'

    ebmood fit labelled.csv -o model --label-column state --supervised

    zcat big.csv.gz | ebmood fit - -o model

    ebmood fit photos -o model --size 16

Rows and images should be ordinary ones alone. Then: ebmood score model new.csv -o scores.csv

Exit codes: 0 done, 2 something to mend, 130 stopped."""


def fit(
    table: Rows,
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
    size: Annotated[
        int | None,
        typer.Option(
            min=4, max=64, metavar="S", help="Images: seen at S x S pixels; work grows as S^4. [default: 16]"
        ),
    ] = None,
    skip_corrupt: SkipCorrupt = False,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Training steps of each network; fewer is quicker and worse."),
    ] = None,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Fit a detector on ordinary rows or images, and save it.

    Some are held out and calibrate the p-values and the flags.
    Encodings and medians are saved with the detector, so that
    `ebmood score` treats new tables alike. No file is a pickle.
    Of an image it sees the centred square, resized to S x S pixels.
    """
    began = time.monotonic()
    try:
        with bar("reading") as watch:
            from ebmood.core.errors import EbmoodError
            from ebmood.detector import EnergyDetector, EnergySettings
            from ebmood.detector.image_detector import SIZE, ImageDetector, ImageFolder
            from ebmood.detector.saved_detector import open_source
            from ebmood.detector.table_detector import TableDetector

            use_threads(threads)
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
            source = open_source(table, skip_corrupt)
            images = isinstance(source, ImageFolder)
            _refuse_options_of_others(table, images, size, label_column, drop, one_hot, impute)
            fitted = (
                ImageDetector.fit(detector, source, size or SIZE, watch)
                if isinstance(source, ImageFolder)
                else TableDetector.fit(
                    detector, source, label_column, drop or (), one_hot or (), impute or (), watch
                )
            )
            fitted.save(out)
    except KeyboardInterrupt:
        raise stopped(f"{out} is as it was before") from None
    seconds = time.monotonic() - began
    if json:
        from ebmood.cli.inspect import summary

        outcome = {"model": str(out), "seconds": round(seconds, 3), **summary(out)}
        print_json(outcome | ({"skipped": source.skipped} if isinstance(source, ImageFolder) else {}))
        return
    if isinstance(source, ImageFolder):
        tell_skipped(source.skipped)
    what = (
        f"images of {' x '.join(map(str, detector.shape_in_ or ()))} numbers"
        if images
        else f"rows of {detector.n_features_in_} features"
    )
    tell(
        f"{out}: fitted on {detector.n_training_rows_} {what}, calibrated on "
        f"{len(detector.calibration_scores_)} more, in {seconds:.0f} s. Next: ebmood score {out} "
        f"{'FOLDER' if images else 'NEW.csv'} -o SCORES.csv"
    )


def _refuse_options_of_others(
    table: Path,
    images: bool,
    size: int | None,
    label_column: str | None,
    drop: list[str] | None,
    one_hot: list[str] | None,
    impute: list[str] | None,
) -> None:
    from ebmood.core.errors import EbmoodError

    of_tables = {"--label-column": label_column, "--drop": drop, "--one-hot": one_hot, "--impute": impute}
    odd = [name for name, value in of_tables.items() if value] if images else ["--size"] if size else []
    if odd:
        kind = "a folder of images" if images else "a table"
        raise EbmoodError(f"{table}: is {kind}, to which {', '.join(odd)} does not apply; leave it out")
