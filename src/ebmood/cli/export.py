"""`ebmood export`: a saved detector as an ONNX graph."""

from pathlib import Path

from rich.console import Console

from ebmood.detector import load
from ebmood.detector.export import export_onnx


def run(model: Path, out: Path) -> None:
    """Export, and say how well the graph agrees with the detector.

    Raises:
        EbmoodError: no detector in `model`, the extra `onnx` is missing, or the graph disagrees.
    """
    detector = load(model)
    messages = Console(stderr=True, highlight=False)
    with messages.status("converting, and comparing with onnxruntime"):
        agreement = export_onnx(detector, out)
    ties = f", {agreement.ties} p-values apart by ties" if agreement.ties else ", p-values equal"
    messages.print(
        f"{out}: agrees with the detector on {agreement.rows} sample rows "
        f"(scores to {agreement.largest:.1g}{ties})",
        soft_wrap=True,
    )
