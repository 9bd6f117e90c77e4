"""`ebmood export`: a saved detector as an ONNX graph."""

from pathlib import Path

from rich.console import Console

from ebmood.detector import load
from ebmood.detector.persistence.onnx_export import export_onnx
from ebmood.detector.table_detector import NOTE


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
    note = detector.notes_.get(NOTE)
    if isinstance(note, dict) and (note.get("categories") or note.get("fills")):
        messages.print(
            "note: it takes rows whose missing numbers are filled in and whose categories are one-hot encoded already; "
            "the medians, the categories and the order of columns are in its metadata",
            soft_wrap=True,
        )
