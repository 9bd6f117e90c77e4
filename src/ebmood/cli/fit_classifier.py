"""`ebmood fit-classifier`: fit a detector for a trained classifier. Heavy libraries are imported when it runs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ebmood.cli.classifier_files import Module, NetworkFiles, Onnx, Weights, open_rows
from ebmood.cli.messages import interrupted, print_files, print_json, print_message
from ebmood.cli.options import Device, Json, SkipCorrupt, Threads, use_threads
from ebmood.cli.progress_bar import progress_bar
from ebmood.core.words import noun

if TYPE_CHECKING:
    from ebmood.classifiers.classifier_rows import ImageRows

EPILOG = """Examples

    ebmood fit-classifier held-out.npz -o model --module shop.networks:classifier --weights shop.safetensors

    ebmood fit-classifier photos -o model --module torchvision.models.resnet18 --weights resnet18.safetensors --size 224

    ebmood fit-classifier held-out.npz -o model --onnx shop.onnx --logits logits --features features

Give rows that the network was not trained on. Next, with the same network:
ebmood score model new.npz -o scores.csv --module ... --weights ...

Exit codes: 0 success, 2 invalid input, 130 interrupted."""


def fit_classifier(
    rows: Annotated[
        Path,
        typer.Argument(
            metavar="ROWS.npz|IMAGES",
            help="Arrays X, as the network takes it, and y, the columns of the logits; or a folder of images with one "
            "subfolder for each class.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="MODEL", help="Folder to write.", show_default=False)
    ],
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
    logits: Annotated[str, typer.Option(metavar="NAME", help="ONNX: output with the logits.")] = "logits",
    features: Annotated[
        str, typer.Option(metavar="NAME", help="ONNX: output with the features.")
    ] = "features",
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Layer whose input are the features. [default: the linear layer that runs last]",
            show_default=False,
        ),
    ] = None,
    score: Annotated[str, typer.Option(metavar="SCORE", help="Name of the score.")] = "joint",
    alpha: Annotated[
        float, typer.Option(help="False-alarm rate: the fraction of rows like these that may be flagged.")
    ] = 0.05,
    calibration: Annotated[
        str,
        typer.Option(
            metavar="auto|FRACTION|ROWS",
            help="Rows for calibration: a fraction below 1, or a number. auto: a fifth, or of few rows as many as "
            "alpha needs.",
        ),
    ] = "auto",
    class_conditional: Annotated[
        bool, typer.Option("--class-conditional", help="Calibrate each predicted class on its own.")
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            min=4, max=1024, metavar="S", help="Images: resize to S x S pixels.", show_default=False
        ),
    ] = None,
    mean: Annotated[
        str,
        typer.Option(metavar="R,G,B", help="Images: mean that the network expects, of pixels from 0 to 1."),
    ] = "0.485,0.456,0.406",
    std: Annotated[
        str, typer.Option(metavar="R,G,B", help="Images: standard deviation that the network expects.")
    ] = "0.229,0.224,0.225",
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Rows in a forward pass.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split.")] = 0,
    skip_corrupt: SkipCorrupt = False,
    threads: Threads = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Fit a detector on outputs of a trained classifier, and save it.

    The rows must be in-distribution, and the network must not have been
    trained on them: for its training rows its outputs are more certain, and
    the p-values would not hold. Part of them (--calibration) calibrates the
    p-values; the others fit the score. The network itself is not saved, only
    SHA-256 of its weights.
    Subfolders of images are classes; in alphabetical order they are the
    columns of the logits. Images are cropped to the central square, resized
    to S x S pixels, and become (pixels / 255 - mean) / std.
    """
    start = time.monotonic()
    try:
        with progress_bar("running the network") as progress:
            from ebmood.classifiers import ClassifierDetector
            from ebmood.classifiers.classifier_rows import ImageRows
            from ebmood.classifiers.named_rows import named_rows
            from ebmood.classifiers.onnx_network import LAYER
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.parameters import parse_calibration

            use_threads(threads)
            if out.is_file():
                raise EbmoodError(f"{out}: is a file; give a folder to save the detector to with -o")
            network = NetworkFiles(module, weights, onnx, logits, features)
            detector = ClassifierDetector(
                network.load(),
                LAYER if onnx is not None and layer is None else layer,
                score=score,
                alpha=alpha,
                calibration=parse_calibration(calibration),  # type: ignore[arg-type]  # words are refused
                class_conditional=class_conditional,
                device=device,
                batch_size=batch_size,
                random_state=seed,
            )
            source = open_rows(rows, image_input(rows, size, mean, std), skip_corrupt)
            X, y = source.training()
            with named_rows(source):
                detector.fit(X, y, lambda done: progress("running the network", done / len(source)))
            notes: dict[str, Any] = {"module": module, "onnx": [logits, features] if onnx else None}
            if isinstance(source, ImageRows):
                check_classes(source, detector.n_classes_)
                notes |= {
                    "image": source.image.model_dump(mode="json"),
                    "folders": list(source.classes or ()),
                }
            detector.save(out, notes)
    except KeyboardInterrupt:
        raise interrupted(f"nothing was written to {out}") from None
    seconds = time.monotonic() - start
    items = source.items.many
    calibration_rows = len(detector.calibration_.scores)
    accuracy = None if detector.accuracy_ != detector.accuracy_ else detector.accuracy_
    if json:
        result = {"out": str(out), "score": detector.score.kind, "rows": detector.n_fit_rows_}
        result |= {"calibration_rows": calibration_rows, "features": detector.n_features_}
        result |= {"classes": detector.n_classes_, "accuracy": accuracy, "skipped": list(source.skipped)}
        result |= {"others": list(source.others), "alpha": alpha}
        print_json(result | {"false_alarm_rate": detector.false_alarm_rate_, "seconds": round(seconds, 3)})
        return
    print_files(source)
    known = "" if accuracy is None else f"; the network predicts {accuracy:.1%} of all"
    print_message(
        f"{out}: score {detector.score.kind} of {detector.n_features_} features and {detector.n_classes_} logits, from "
        f"{detector.n_fit_rows_} {items} and {calibration_rows} calibration "
        f"{noun(calibration_rows, items.removesuffix('s'), items)}{known}, in {seconds:.0f} s"
    )
    print_message(f"expected false alarms: {detector.false_alarm_rate_:.2%} of {items} like these")


def image_input(rows: Path, size: int | None, mean: str, std: str):
    """Return how images become inputs, as the options say; None if the rows are not a folder.

    Raises:
        EbmoodError: the size is missing, or a number is invalid.
    """
    from pydantic import ValidationError

    from ebmood.classifiers.classifier_rows import ImageInput
    from ebmood.core.errors import EbmoodError, setting_problem

    if not rows.is_dir():
        return None
    if size is None:
        raise EbmoodError(f"{rows}: a folder of images; give the size that the network expects with --size")
    try:
        numbers = [tuple(float(part) for part in text.split(",")) for text in (mean, std)]
        return ImageInput(size=size, mean=numbers[0], std=numbers[1])
    except ValidationError as error:
        raise EbmoodError(f"--mean and --std: {setting_problem(error)}") from error
    except ValueError:
        raise EbmoodError(f"--mean={mean} --std={std}: must be numbers separated by commas") from None


def check_classes(source: "ImageRows", classes: int) -> None:
    """Check that there is a subfolder for each column of the logits.

    Raises:
        EbmoodError: there are subfolders, but not one for each class.
    """
    from ebmood.core.errors import EbmoodError

    if source.classes is not None and len(source.classes) != classes:
        raise EbmoodError(
            f"{source.stream.source}: {len(source.classes)} subfolders, but the network has {classes} classes; give "
            "one subfolder for each class, in the alphabetical order of the columns of the logits"
        )
