"""`ebmood fit`: fit a detector on a table or on a folder of images. Heavy libraries are imported when it runs."""

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.check import column_choices, describe_preparation
from ebmood.cli.embed_options import (
    Embed,
    EmbedOutput,
    ImageSize,
    PixelRangeOption,
    Pixels,
    Text,
    Where,
    embedder_of,
)
from ebmood.cli.messages import (
    describe_segments,
    interrupted,
    print_json,
    print_message,
    print_others,
    print_skipped,
)
from ebmood.cli.options import (
    Category,
    Date,
    Device,
    Drop,
    Json,
    Missing,
    Number,
    Rows,
    SkipCorrupt,
    Threads,
    use_threads,
)
from ebmood.cli.progress_bar import progress_bar
from ebmood.core.words import noun


class Memory(StrEnum):
    """What a detector holds."""

    rows = "rows"
    prototypes = "prototypes"


class Speed(StrEnum):
    """Speed of the scores."""

    default = "default"
    fast = "fast"


if TYPE_CHECKING:
    from ebmood.detector import EnergyDetector
    from ebmood.detector.io.image_stream import ImageStream
    from ebmood.detector.patches.patch_folder import PatchFolderDetector
    from ebmood.detector.preparation import Preparation
    from ebmood.detector.progress_callback import ProgressCallback
    from ebmood.detector.raw.row_order import OrderCheck
    from ebmood.detector.raw.saved_detector import SavedDetector
    from ebmood.embedders import Embedder

FEW_CALIBRATION_ROWS = 60
"""Calibration rows below which `fit` recommends leave-one-out calibration."""

LISTED_DOUBTS = 3
"""Guesses and suspicions about columns that are listed one by one."""

LONG_LIST = 64
"""Numbers of a list from which it outweighs single columns."""

EPILOG = """Examples

    ebmood fit normal.csv -o model

    ebmood fit pumps.parquet -o model --drop batch --category 'code_*' --date opened

    ebmood fit labelled.csv -o model --label-column state --supervised

    zcat big.csv.gz | ebmood fit - -o model

    ebmood fit reviews.csv -o model --text review

    ebmood fit features.npy -o model

    ebmood fit photos -o model --embed efficientnet-lite0

    ebmood fit photos -o model --embed network.onnx#features --image-size 128

    ebmood fit photos -o model --embed efficientnet-lite0 --where

    ebmood fit digits -o model --size 16

Give only normal rows or images. Next: ebmood score model new.csv -o scores.csv

Exit codes: 0 success, 2 invalid input, 130 interrupted."""


def fit(
    table: Rows,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="MODEL", help="Folder to write.", show_default=False),
    ],
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the class of each row. Not a feature. See --supervised."
        ),
    ] = None,
    drop: Drop = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    missing: Missing = None,
    segment: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Calibrate within each value of this category column, such as a site or a machine.",
            show_default=False,
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="False-alarm rate: the fraction of normal rows that may be flagged.")
    ] = 0.05,
    calibration: Annotated[
        str,
        typer.Option(
            metavar="auto|FRACTION|ROWS|loo|last",
            help="Rows for calibration: a fraction below 1, a number of rows, loo: all rows, each left out of its own "
            "score, for small tables, or last: the last fifth, for rows in the order of time. auto: a fifth, or "
            "loo if that is too few to flag any row.",
        ),
    ] = "auto",
    contamination: Annotated[
        str | None,
        typer.Option(
            metavar="FRACTION|auto",
            help="Leave out the strangest rows before the fit: a fraction, or auto.",
            show_default=False,
        ),
    ] = None,
    memory: Annotated[
        Memory,
        typer.Option(help="What the detector holds: training rows, or centres of clusters of them."),
    ] = Memory.rows,
    speed: Annotated[
        Speed,
        typer.Option(
            help="fast: scoring takes about a tenth of the time and detects slightly fewer outliers."
        ),
    ] = Speed.default,
    supervised: Annotated[
        bool, typer.Option("--supervised", help="Also learn the classes in --label-column.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed. The same seed and table give the same detector.")
    ] = 0,
    size: Annotated[
        int | None,
        typer.Option(
            min=4,
            max=64,
            metavar="S",
            help="Images without --embed: resize to S x S pixels. The work grows at least as S^2. [default: 16]",
        ),
    ] = None,
    text: Text = None,
    embed: Embed = None,
    where: Where = False,
    embed_output: EmbedOutput = None,
    image_size: ImageSize = None,
    pixels: PixelRangeOption = None,
    skip_corrupt: SkipCorrupt = False,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Fit a detector on normal rows or images, and save it.

    What each column holds is decided from its values: numbers, categories,
    or dates, of which the hour, the weekday and the month are read. Ids, row
    counters, constants and free text are left out. A column of lists of
    one length, such as embeddings in Parquet or JSON Lines, is read as that
    many numbers, and so is an array: .npy, or X in .npz. `ebmood check TABLE`
    shows this without a fit; --drop, --number, --category, --date and --text
    change it.
    A part of the rows (--calibration) is reserved to calibrate the p-values
    and the flags, and is not used for training.
    A missing value is a value of its own. In a column that has none in
    TABLE, a later row with a missing value is flagged.
    The detector holds training rows. It is saved without pickle files.
    Images are cropped to the central square and resized to S x S pixels.
    Their pixels are the features, or with --embed the outputs of a network
    that was trained on other images, which see what a photo shows.
    With --where, patches of them are compared: `ebmood score --maps` and
    `ebmood report` show what is wrong in a photo.
    """
    start = time.monotonic()
    try:
        with progress_bar("reading") as progress:
            from ebmood.core.errors import EbmoodError
            from ebmood.detector import EnergyDetector
            from ebmood.detector.io.image_stream import ImageStream
            from ebmood.detector.io.open_input import open_input
            from ebmood.detector.parameters import parse_calibration, parse_contamination
            from ebmood.detector.raw.image_detector import DEFAULT_SIZE, ImageDetector
            from ebmood.detector.raw.table_detector import TableDetector

            use_threads(threads)
            if out.is_file():
                raise EbmoodError(f"{out}: is a file; give a folder to save the detector to with -o")
            estimator = EnergyDetector(
                alpha=alpha,
                calibration=parse_calibration(calibration),
                contamination=parse_contamination(contamination),
                memory=memory.value,
                speed=speed.value,
                segment=segment,
                supervised=supervised,
                device=device,
                random_state=seed,
            )
            source = open_input(table, skip_corrupt)
            if isinstance(source, ImageStream):
                options = {
                    "--label-column": label_column, "--drop": drop, "--category": category, "--number": number,
                    "--date": date, "--missing": missing, "--segment": segment, "--text": text,
                }  # fmt: skip
                _refuse_options(table, "a folder of images", options)
                if where:
                    options = {
                        "--contamination": contamination, "--supervised": supervised,
                        "--speed": speed is not Speed.default,
                    }  # fmt: skip
                    _refuse_options(table, "a folder of images with --where", options)
                embedder = _image_embedder(embed, embed_output, image_size, pixels, size, device)
                if where:
                    detector = _fit_patches(estimator, embedder, source, progress)
                else:
                    estimator.embed = embedder
                    detector = ImageDetector.fit(estimator, source, size or DEFAULT_SIZE, progress)
            else:
                if embed is not None:
                    raise EbmoodError(f"{table}: a table, but --embed is for images; give --text COLUMN")
                options = {
                    "--where": where, "--size": size, "--embed-output": embed_output, "--image-size": image_size,
                    "--pixels": pixels,
                }  # fmt: skip
                _refuse_options(table, "a table", options)
                choices = column_choices(drop, category, number, date, missing, label_column, text)
                detector = TableDetector.fit(estimator, source, choices, progress)
            detector.save(out)
    except KeyboardInterrupt:
        raise interrupted(f"{out} is unchanged") from None
    skipped = source.skipped if isinstance(source, ImageStream) else None
    others = source.others if isinstance(source, ImageStream) else ()
    _report(out, detector, skipped, others, time.monotonic() - start, json)


def _fit_patches(
    estimator: "EnergyDetector",
    embedder: "Embedder | None",
    source: "ImageStream",
    progress: "ProgressCallback",
) -> "PatchFolderDetector":
    """Fit a detector of patches with the parameters of an estimator."""
    from ebmood.detector.patches import PatchDetector
    from ebmood.detector.patches.feature_maps import check_has_maps
    from ebmood.detector.patches.patch_folder import PatchFolderDetector

    detector = PatchDetector(
        embed=check_has_maps(embedder),
        alpha=estimator.alpha,
        calibration=estimator.calibration,  # type: ignore[arg-type]  # words are refused with their reason
        memory=estimator.memory,
        device=estimator.device,
        random_state=estimator.random_state,
    )
    return PatchFolderDetector.fit(detector, source, progress)


def _image_embedder(
    name: str | None,
    output: str | None,
    image_size: int | None,
    pixels: Pixels | None,
    size: int | None,
    device: str,
) -> "Embedder | None":
    """Return the embedder of images that the options name, or None without `--embed`."""
    from ebmood.core.errors import EbmoodError

    if name is None:
        options = {"--embed-output": output, "--image-size": image_size, "--pixels": pixels}
        given = [option for option, value in options.items() if value is not None]
        if given:
            raise EbmoodError(
                f"{given[0]}: needs --embed; name a network, such as --embed efficientnet-lite0"
            )
        return None
    if size is not None:
        raise EbmoodError("--size and --embed: --size is for pixels as features; give --image-size")
    return embedder_of(name, output, image_size, pixels, device)


def _refuse_options(table: Path, kind: str, options: dict[str, object]) -> None:
    """Raise an error if one of the options is set."""
    from ebmood.core.errors import EbmoodError

    names = [name for name, value in options.items() if value]
    if names:
        raise EbmoodError(f"{table}: is {kind}, to which {', '.join(names)} does not apply; leave it out")


def _print_weight_note(preparation: "Preparation") -> None:
    """Say that the features of a text, or the numbers of a long list, outweigh other columns, if there are both."""
    from ebmood.detector.preparation import EmbeddedColumn, VectorColumn

    names = [
        column.name
        for column in preparation.columns
        if isinstance(column, EmbeddedColumn)
        or (isinstance(column, VectorColumn) and column.length >= LONG_LIST)
    ]
    others, wide = len(preparation.columns) - len(names), ", ".join(names)
    if names and others:
        print_message(
            f"the features of {wide} outweigh the {others} other column{'s' * (others > 1)}; if these matter, fit one "
            f"detector on {wide} and one on the others, with --drop"
        )


def _describe_order(order: "OrderCheck") -> str:
    """Return in words that the last training rows differ from the first ones, and what to do."""
    from ebmood.detector.raw.row_order import LEVEL

    return (
        f"the order of the rows matters: a detector fitted on the earlier rows flags {order.flagged:.0%} of the "
        f"last {order.rows} rows at alpha {LEVEL}. If they are in the order of time, later normal rows are likely "
        "to be flagged at about this rate; --calibration last calibrates on the last rows"
    )


def _report(
    out: Path,
    detector: "SavedDetector | PatchFolderDetector",
    skipped: list[str] | None,
    others: Sequence[str],
    seconds: float,
    json: bool,
) -> None:
    """Print the result of a fit."""
    from ebmood.detector.patches import PatchDetector
    from ebmood.detector.raw.items import IMAGES, ROWS

    order: OrderCheck | None = getattr(detector, "order", None)  # detectors of images have none
    preparation = getattr(detector, "preparation", None)
    doubts: Sequence[str] = getattr(detector, "doubts", ())
    if json:
        from ebmood.cli.inspect import summary

        result = {"model": str(out), "seconds": round(seconds, 3), **summary(out)}
        if order is not None:
            result["last_rows"] = {
                "rows": order.rows,
                "flagged": order.flagged,
                "order_matters": order.matters,
            }
        if preparation is not None:
            result["doubts"] = list(doubts)
        print_json(result | ({} if skipped is None else {"skipped": skipped, "others": list(others)}))
        return
    print_skipped(skipped or ())
    print_others(others)
    estimator = detector.estimator
    if isinstance(estimator, PatchDetector):
        print_message(
            f"{out}: fitted on {len(estimator.memory_.memory)} "
            f"{'patches' if estimator.memory == 'rows' else 'prototypes of patches'} of "
            f"{estimator.n_training_rows_} images, calibrated on {len(estimator.calibration_scores_)} more, in "
            f"{seconds:.0f} s. Next: ebmood score {out} FOLDER -o SCORES.csv --maps MAPS"
        )
        return
    if preparation is not None:
        for line in describe_preparation(preparation):
            print_message(line)
        for line in doubts[:LISTED_DOUBTS]:
            print_message(line)
        if len(doubts) > LISTED_DOUBTS:
            print_message(f"and {len(doubts) - LISTED_DOUBTS} more; ebmood check shows all")
        _print_weight_note(preparation)
    words = ROWS if skipped is None else IMAGES
    items = words.many
    if skipped is None:
        features = estimator.n_features_in_
        rows, next_input = f"rows of {features} {noun(features, 'feature')}", "NEW.csv"
    else:
        kind = f"images of {' x '.join(map(str, estimator.shape_in_ or ()))} numbers"
        if estimator.embedder_ is not None:
            kind = f"images with {estimator.n_features_in_} features of {estimator.embedder_.identity.name}"
        rows, next_input = kind, "FOLDER"
    if estimator.n_left_out_rows_:
        print_message(
            f"left out as the strangest: {estimator.n_left_out_rows_} {items}; alpha holds for {items} like the others"
        )
    for line in describe_segments(segment.model_dump() for segment in estimator.segments_):
        print_message(line)
    reserved = len(estimator.calibration_scores_)
    few = reserved < FEW_CALIBRATION_ROWS and not estimator.leave_one_out_
    if few and estimator.false_alarm_rate_:  # else a warning says that no row is flagged
        print_message(
            f"with {reserved} calibration {noun(reserved, words.one, words.many)}, single strange ones decide what is "
            f"flagged; --calibration loo uses all {items}"
        )
    if order is not None and order.matters:
        print_message(_describe_order(order))
    calibrated = (
        f"calibrated on the same {items}, each left out of its own score"
        if estimator.leave_one_out_
        else f"calibrated on {reserved} more"
    )
    print_message(
        f"{out}: fitted on {estimator.n_training_rows_} {rows}, {calibrated}, in {seconds:.0f} s. "
        f"Next: ebmood score {out} {next_input} -o SCORES.csv"
    )
