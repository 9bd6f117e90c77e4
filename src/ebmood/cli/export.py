"""`ebmood export`: write a saved detector as an ONNX graph."""

from pathlib import Path

from rich.console import Console

from ebmood.cli.messages import print_message
from ebmood.core.errors import EbmoodError
from ebmood.detector.persistence.load import load
from ebmood.detector.persistence.onnx_export import export_onnx
from ebmood.detector.raw.saved_detector import refuse_images


def run(model: Path, out: Path) -> None:
    """Export a detector, and print how well the graph agrees with it.

    Raises:
        EbmoodError: there is no detector in `model`, `out` has another suffix than `.onnx`, the extra `onnx` is not
            installed, or the graph disagrees.
    """
    if out.suffix.lower() not in ("", ".onnx"):
        raise EbmoodError(f"{out}: the file is an ONNX graph; call it {out.with_suffix('.onnx').name}")
    refuse_images(model, ", but the ONNX graph takes rows of numbers; use ebmood score")
    detector = load(model)
    console = Console(stderr=True, highlight=False)
    with console.status("converting, and comparing with onnxruntime"):
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
