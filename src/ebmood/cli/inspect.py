"""`ebmood inspect`: what is in a saved detector."""

from pathlib import Path
from typing import Any

from ebmood.cli.options import Json, Model, print_json

EPILOG = """[bold]Examples[/bold]

    ebmood inspect model

    ebmood inspect model --json | jq .false_alarm_rate

Every file is checked against its SHA-256 first. Exit codes: 0 done, 2 no detector, or a changed one."""


def inspect(model: Model, json: Json = False) -> None:
    """Show what a detector was fitted on, what it promises, and how its self-test went."""
    content = summary(model)
    if json:
        print_json(content)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in _lines(content):
        grid.add_row(name, Text(text))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=100)
    console.print(grid)


def summary(model: Path) -> dict[str, Any]:
    """All of a saved detector but its weights, calibration scores and embedding, as plain values.

    Raises:
        EbmoodError: no detector there, or a changed one.
    """
    import numpy as np

    from ebmood.core import calibration as conformal
    from ebmood.detector.image_detector import read_shape
    from ebmood.detector.persistence.detector_files import read_record
    from ebmood.detector.table_detector import read_preparation

    record, weights = read_record(model)
    preparation = read_preparation(model, record.notes, record.columns.names)
    images = read_shape(model, record.notes)
    offset = conformal.offset(np.array(record.calibration_scores), record.alpha)
    return {
        "rows": record.notes.get("rows"),
        "training_rows": record.training_rows,
        "calibration_rows": len(record.calibration_scores),
        "features": list(record.columns.names or ()),
        "shape": None if record.columns.shape is None else list(record.columns.shape),
        "images": None if images is None else images.model_dump(mode="json"),
        "preparation": None if preparation is None else preparation.model_dump(mode="json"),
        "alpha": record.alpha,
        "false_alarm_rate": conformal.false_alarm_rate(record.alpha, len(record.calibration_scores)),
        "offset": offset if np.isfinite(offset) else None,
        "classes": None if record.classes is None else list(record.classes),
        "seed": record.seed,
        "energy": record.energy.model_dump(mode="json"),
        "embedding": record.embedding,
        "weights": sum(tensor.numel() for tensors in weights.values() for tensor in tensors.values()),
        "probes": [probe.model_dump(mode="json") for probe in record.probes],
        "events": list(record.events),
        "versions": record.versions,
        "sha256": dict(record.files),
    }


def _lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    prepared = content["preparation"] or {}
    offset = content["offset"]
    flags = (
        f"scores below {offset:.6g}; of ordinary rows, {content['false_alarm_rate']:.2%} on average"
        if offset is not None
        else f"nothing: too few calibration rows for alpha={content['alpha']}"
    )
    encoded = [f"{column} ({len(names)})" for column, names in prepared.get("categories", {}).items()]
    lines = [
        ("fitted on", f"{content['training_rows']} rows, calibrated on {content['calibration_rows']} more"),
        ("features", f"{len(content['features'])}: {', '.join(content['features'])}"),
        ("one-hot", ", ".join(encoded)),
        (
            "filled in",
            ", ".join(f"{name} with {value:g}" for name, value in prepared.get("fills", {}).items()),
        ),
        ("left out", ", ".join(prepared.get("ignored", ()))),
        ("classes", ", ".join(map(str, content["classes"] or ()))),
        ("embedding", content["embedding"] or ""),
        ("alpha", f"{content['alpha']:g}"),
        ("flags", flags),
        ("self-test", ", ".join(f"{p['in_distribution']:.1%} of {p['name']}" for p in content["probes"])),
        ("healed", "; ".join(content["events"])),
        ("seed", str(content["seed"])),
        ("weights", str(content["weights"])),
        ("versions", ", ".join(f"{name} {number}" for name, number in content["versions"].items())),
    ]
    if not content["features"]:
        lines[1] = ("inputs", f"of shape {content['shape']}, without names")
    if content["images"]:
        colour = "colour" if content["images"]["channels"] == 3 else "greyscale"
        lines[1] = ("images", f"{colour}, the centred square at {content['images']['size']} pixels a side")
    return [(name, text) for name, text in lines if text]
