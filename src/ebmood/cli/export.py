"""`ebmood export`: write a saved detector as an ONNX graph."""

from pathlib import Path

from rich.console import Console

from ebmood.cli.messages import print_message
from ebmood.cli.saved_classifier import (
    is_classifier,
    load_detector,
    open_new_rows,
    refuse_bad_rows,
    refuse_network,
)
from ebmood.core.errors import EbmoodError

SAMPLE_ROWS = 64
"""Rows with which the graph of a network is traced and compared."""


def run(
    model: Path, out: Path, rows: Path | None, module: str | None, weights: Path | None, onnx: Path | None
) -> None:
    """Export a detector, and print how well the graph agrees with it.

    Args:
        model: folder of the detector.
        out: file of the graph.
        rows: inputs of a classifier, of which the first ones are compared.
        module: import path of the network of a classifier.
        weights: file of its weights.
        onnx: refused; an ONNX graph cannot be traced.

    Raises:
        EbmoodError: there is no detector in `model`, `out` has another suffix than `.onnx`, the extra `onnx` is not
            installed, an option is missing or does not apply, or the graph disagrees.
    """
    if out.suffix.lower() not in ("", ".onnx"):
        raise EbmoodError(f"{out}: the file is an ONNX graph; call it {out.with_suffix('.onnx').name}")
    if is_classifier(model):
        _export_classifier(model, out, rows, module, weights, onnx)
        return
    refuse_network(model, module, weights, onnx)
    if rows is not None:
        raise EbmoodError(f"--rows {rows}: only a detector of a classifier needs rows; leave it out")
    _export_rows(model, out)


def _export_classifier(
    model: Path, out: Path, rows: Path | None, module: str | None, weights: Path | None, onnx: Path | None
) -> None:
    from ebmood.classifiers.onnx_export import export_classifier

    if onnx is not None:
        raise EbmoodError(
            f"--onnx {onnx}: an ONNX graph cannot be exported again; fit with --module, or score in Python"
        )
    if rows is None:
        raise EbmoodError(
            f"{model}: a detector of a classifier, whose graph is compared with it on a few inputs; give --rows "
            "FILE.npz or a folder of images"
        )
    detector = load_detector(model, module, weights, onnx, "cpu")
    source = open_new_rows(detector, model, rows, skip_corrupt=False)
    part = next(source.parts(SAMPLE_ROWS))
    refuse_bad_rows(source, part)
    with _status():
        largest = export_classifier(detector, out, part.x)
    print_message(
        f"{out}: agrees with the detector on {len(part.x)} of these {source.items.many} (scores to {largest:.1g})"
    )


def _export_rows(model: Path, out: Path) -> None:
    from ebmood.detector.persistence.load import load
    from ebmood.detector.persistence.onnx_export import export_onnx
    from ebmood.detector.raw.saved_detector import refuse_images

    refuse_images(model, ", but the ONNX graph takes rows of numbers; use ebmood score")
    detector = load(model)
    with _status():
        agreement = export_onnx(detector, out)
    p_values = f"{agreement.ties} p-values differ because of ties" if agreement.ties else "p-values are equal"
    print_message(
        f"{out}: agrees with the detector on {agreement.rows} sample rows "
        f"(scores to {agreement.largest:.1g}, {p_values})"
    )
    if detector.levels_:
        print_message(
            "note: the graph expects the number of its level for a category; the levels and the order of columns are "
            "in its metadata"
        )


def _status():
    return Console(stderr=True, highlight=False).status("converting, and comparing with onnxruntime")
