"""`ebmood recalibrate`: replace the calibration rows of a saved detector. Heavy libraries are imported when it runs."""

import math
from pathlib import Path
from typing import Annotated

import typer

from ebmood.cli.classifier_files import Module, Onnx, Weights
from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import (
    describe_segments,
    interrupted,
    print_json,
    print_message,
    print_others,
    print_skipped,
)
from ebmood.cli.options import Device, Drop, Json, Model, Rows, SkipCorrupt
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.saved_classifier import (
    is_classifier,
    load_detector,
    open_new_rows,
    refuse_network,
    refuse_table_options,
)

EPILOG = """Examples

    ebmood recalibrate model normal-today.csv

    ebmood recalibrate model normal-today.csv -o model-today

    ebmood recalibrate watch normal-today.npz --module shop.networks:classifier     a detector of fit-classifier

Exit codes: 0 success, 2 invalid input, 130 interrupted."""


def recalibrate(
    model: Model,
    table: Rows,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="MODEL",
            help="Folder to write. [default: MODEL is replaced]",
            show_default=False,
        ),
    ] = None,
    drop: Drop = None,
    embed: EmbedAgain = None,
    skip_corrupt: SkipCorrupt = False,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Replace the calibration rows of a detector by new normal rows, without a new fit.

    Scores stay as they are. The threshold, the p-values and the flags then
    hold for rows like the new ones.
    The rows must not be training rows: these score higher than other rows,
    and the threshold would be too high.
    """
    folder = out or model
    try:
        with progress_bar("reading") as progress:
            from ebmood.core.errors import EbmoodError

            if folder.is_file():
                raise EbmoodError(f"{folder}: is a file; give a folder to save the detector to with -o")
            if is_classifier(model):
                from ebmood.classifiers.named_rows import named_rows

                refuse_table_options({"--drop": drop, "--embed": embed})
                estimator = load_detector(model, module, weights, onnx, device)
                before, rate_before = estimator.offset_, estimator.false_alarm_rate_
                source = open_new_rows(estimator, model, table, skip_corrupt)
                items, segments = source.items.many, ()
                X, _ = source.training()
                with named_rows(source):
                    estimator.recalibrate(X, lambda done: progress("scoring", done / len(source)))
            else:
                from ebmood.detector.io.image_stream import ImageStream
                from ebmood.detector.io.open_input import open_input
                from ebmood.detector.patches.patch_folder import PatchFolderDetector
                from ebmood.detector.raw.items import IMAGES, items_of
                from ebmood.detector.raw.saved_detector import (
                    check_kind,
                    load_any_detector,
                    read_all_rows,
                )

                refuse_network(model, module, weights, onnx)
                detector = load_any_detector(model, device, embed=allow_import(embed))
                source = open_input(table, skip_corrupt)
                check_kind(detector, source, drop or ())
                estimator = detector.estimator
                before, rate_before = estimator.offset_, estimator.false_alarm_rate_
                if isinstance(detector, PatchFolderDetector):
                    assert isinstance(source, ImageStream)  # as `check_kind` has checked
                    detector.recalibrate(source, progress)
                    items, segments = IMAGES.many, ()
                else:
                    estimator = detector.estimator  # an `EnergyDetector`
                    if estimator.supervised:
                        raise EbmoodError(
                            f"{model}: fitted with classes, which new calibration rows need as well; use "
                            "recalibrate(X, y) in Python"
                        )
                    rows, _ = read_all_rows(detector, source, drop or ())
                    progress("scoring", None)
                    estimator.recalibrate(rows)
                    items, segments = items_of(estimator).many, estimator.segments_
            estimator.save(folder)
    except KeyboardInterrupt:
        raise interrupted(f"{folder} is unchanged") from None
    skipped, others = getattr(source, "skipped", None), getattr(source, "others", ())
    count = len(estimator.calibration_scores_)
    if json:
        result = {
            "model": str(folder),
            "calibration_rows": count,
            "alpha": estimator.alpha,
            "offset_before": _finite(before),
            "offset": _finite(estimator.offset_),
            "false_alarm_rate": estimator.false_alarm_rate_,
            "segments": [segment.model_dump(mode="json") for segment in segments],
        }
        print_json(result | ({} if skipped is None else {"skipped": skipped, "others": list(others)}))
        return
    print_skipped(skipped or ())
    print_others(others)
    for line in describe_segments(segment.model_dump() for segment in segments):
        print_message(line)
    print_message(
        f"{folder}: calibrated on {count} {items}; {_describe(estimator.offset_, items)} (before: "
        f"{_number(before)}), {estimator.false_alarm_rate_:.2%} of {items} like these on average (before: "
        f"{rate_before:.2%})"
    )


def _finite(offset: float) -> float | None:
    return offset if math.isfinite(offset) else None


def _describe(offset: float, items: str) -> str:
    if not math.isfinite(offset):
        return f"no {items} are flagged"
    return f"{items} that score below {_number(offset)} are flagged"


def _number(offset: float) -> str:
    return f"{offset:.6g}" if math.isfinite(offset) else "no threshold"
