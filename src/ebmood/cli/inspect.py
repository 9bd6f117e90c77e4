"""`ebmood inspect`: show what a saved detector contains."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.cli.check import describe_left_out
from ebmood.cli.column_lists import join_columns
from ebmood.cli.messages import describe_segments, print_json
from ebmood.cli.options import Json, Model
from ebmood.cli.saved_classifier import is_classifier
from ebmood.core.words import noun, printable

if TYPE_CHECKING:
    from ebmood.detector.calibration_scores import CalibrationScores

EPILOG = """Examples

    ebmood inspect model

    ebmood inspect model --json | jq .false_alarm_rate

All files are first compared with their SHA-256. Exit codes: 0 success, 2 no detector, or a changed one."""


def inspect(model: Model, json: Json = False) -> None:
    """Show the training data, the false-alarm rate, and the results of the self-test of a detector."""
    content = summary(model)
    if json:
        print_json(content)
        return
    if "patches" in content:
        lines = _patch_lines(content)
    elif "network" in content:
        lines = _classifier_lines(content)
    else:
        lines = _lines(content)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(name, Text(printable(text)))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=100)
    console.print(grid)


def summary(model: Path) -> dict[str, Any]:
    """Return the content of a saved detector as JSON values, without weights and calibration scores.

    An embedding is not needed.

    Raises:
        EbmoodError: there is no detector, or it was changed.
    """
    from ebmood.detector.persistence.detector_files import is_patch_detector, read_detector
    from ebmood.detector.raw.summary import summarise

    if is_patch_detector(model):
        return _patch_summary(model)
    if is_classifier(model):
        return _classifier_summary(model)
    metadata, _ = read_detector(model)
    return summarise(metadata, str(model))


def _patch_summary(model: Path) -> dict[str, Any]:
    """Return the content of a saved detector of patches as JSON values."""
    import numpy as np

    from ebmood.detector.calibration_scores import CalibrationScores
    from ebmood.detector.patches.patch_files import read_patch_metadata
    from ebmood.detector.raw.items import IMAGES

    metadata = read_patch_metadata(model)
    calibration = CalibrationScores(np.array(metadata.calibration_scores))
    return {
        "items": IMAGES.many,
        "training_rows": metadata.training_images,
        "calibration": metadata.calibration,
        "leave_one_out": False,
        **_flags(calibration, metadata.alpha),
        "patches": metadata.patches,
        "pictures": metadata.pictures,
        "held": "patches" if metadata.memory == "rows" else "prototypes of patches",
        "settings": metadata.settings.model_dump(mode="json"),
        "embedder": metadata.embedder.model_dump(mode="json"),
        "seed": metadata.seed,
        "history": [event.model_dump(mode="json") for event in metadata.history],
        "versions": metadata.versions,
        "sha256": dict(metadata.files),
    }


def _flags(calibration: "CalibrationScores", alpha: float) -> dict[str, Any]:
    """Return what decides about flags, for a detector without segments, weights and rows that were left out."""
    offset = calibration.offset(alpha)
    return {
        "calibration_rows": len(calibration.scores),
        "left_out_rows": 0,
        "alpha": alpha,
        "false_alarm_rate": calibration.false_alarm_rate(alpha),
        "offset": offset if math.isfinite(offset) else None,
        "segments": [],
        "weighted": False,
    }


def _classifier_summary(model: Path) -> dict[str, Any]:
    """Return the content of a saved detector of a classifier as JSON values. Its network is not needed."""
    from ebmood.classifiers.saved_classifier import load_classifier
    from ebmood.detector.raw.items import IMAGES, ROWS

    metadata, _, calibration = load_classifier(model)
    network = {"class": metadata.network_class, "sha256": metadata.network, "layer": metadata.layer}
    return {
        "items": (IMAGES if metadata.notes.get("image") else ROWS).many,
        "training_rows": metadata.fit_rows,
        "calibration": metadata.calibration,
        "leave_one_out": False,
        **_flags(calibration, metadata.alpha),
        "class_conditional": metadata.class_conditional,
        "calibration_rows_of_classes": {str(int(k)): n for k, n in calibration.segment_sizes.items()},
        "score": metadata.fitted_score.model_dump(mode="json"),
        "features": metadata.features,
        "classes": metadata.classes,
        "accuracy": metadata.accuracy,
        "network": network | {"module": metadata.notes.get("module"), "onnx": metadata.notes.get("onnx")},
        "image": metadata.notes.get("image"),
        "folders": metadata.notes.get("folders"),
        "seed": metadata.seed,
        "versions": metadata.versions,
        "sha256": dict(metadata.files),
    }


def _classifier_lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of a detector of a classifier for the terminal, without empty ones."""
    network, image, items = content["network"], content["image"], content["items"]
    source = f", --module {network['module']}" if network["module"] else ", --onnx" if network["onnx"] else ""
    layer = f", layer {network['layer']}" if network["layer"] else ""
    known = "" if content["accuracy"] is None else f"; the network predicts {content['accuracy']:.1%} of all"
    flags = _describe_flags(content)
    if content["class_conditional"]:
        flags = (
            f"by predicted class; {content['false_alarm_rate']:.2%} of {items} like these on average; calibration "
            f"{items}: " + ", ".join(f"{k}: {n}" for k, n in content["calibration_rows_of_classes"].items())
        )
    lines = [
        ("fitted on", _describe_rows(content) + known),
        ("images", "" if image is None else f"the central square, {image['size']} pixels per side"),
        ("network", f"{network['class']}{source}{layer}, SHA-256 of its weights {network['sha256'][:12]}..."),
        ("outputs", f"{content['features']} features, {content['classes']} logits"),
        ("classes", ", ".join(content["folders"] or ())),
        ("score", content["score"]["kind"]),
        ("alpha", f"{content['alpha']:g}"),
        ("flags", flags),
        ("seed", str(content["seed"])),
        ("versions", ", ".join(f"{name} {number}" for name, number in content["versions"].items())),
    ]
    return [(name, text) for name, text in lines if text]


def _patch_lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of a detector of patches for the terminal."""
    pictures = f" and pictures of {content['pictures']} training images" if content["pictures"] else ""
    size = content["embedder"]["image_size"]
    return [
        ("fitted on", _describe_rows(content)),
        ("images", f"colour, the central square, {size} pixels per side"),
        ("embedder", _describe_embedder(content["embedder"])),
        ("alpha", f"{content['alpha']:g}"),
        ("flags", _describe_flags(content)),
        ("seed", str(content["seed"])),
        ("memory", f"holds {content['patches']} {content['held']}{pictures}"),
        ("history", "\n".join(_describe_event(event, content["items"]) for event in content["history"])),
        ("versions", ", ".join(f"{name} {number}" for name, number in content["versions"].items())),
    ]


def _lines(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values for the terminal, without empty ones."""
    from ebmood.detector.preparation import LeftOut

    preparation = content["preparation"] or {}
    categories = [
        f"{column} ({len(levels)} {noun(len(levels), 'level')})"
        for column, levels in content["categories"].items()
    ]
    columns = preparation.get("columns", ())
    probes = [f"{probe['name']} {probe['in_distribution']:.1%}" for probe in content["probes"]]
    lines = [
        ("fitted on", _describe_rows(content)),
        _describe_input(content),
        ("categories", ", ".join(categories)),
        ("with gaps", join_columns(content["gaps"])),
        (
            "dates",
            ", ".join(f"{c['name']} ({', '.join(c['cycles'])})" for c in columns if c["kind"] == "date"),
        ),
        (
            "texts",
            ", ".join(
                f"{c['name']} ({c['embedder']['dimension']} features of {c['embedder']['name']})"
                for c in columns
                if c["kind"] == "text"
            ),
        ),
        (
            "lists",
            ", ".join(
                f"{c['name']} ({c['length'] - len(c['empty'])} numbers)"
                for c in columns
                if c["kind"] == "list"
            ),
        ),
        ("only grow", ", ".join(c["name"] for c in columns if c.get("grew_to") is not None)),
        (
            "left out",
            ", ".join(
                describe_left_out([LeftOut.model_validate(c) for c in preparation.get("left_out", ())])
            ),
        ),
        ("classes", ", ".join(map(str, content["classes"] or ()))),
        ("embedding", content["embedding"] or ""),
        ("embedder", _describe_embedder(content["embedder"])),
        ("alpha", f"{content['alpha']:g}"),
        ("flags", _describe_flags(content)),
        ("segments", "\n".join(describe_segments(content["segments"]))),
        ("self-test", f"probes rated in-distribution: {', '.join(probes)}" if probes else ""),
        ("seed", str(content["seed"])),
        (
            "strangest",
            f"{content['items']} {', '.join(str(row['row']) for row in content['strangest_rows'])}",
        ),
        (
            "memory",
            f"holds {sum(content['memory'])} {content['held']}{_describe_held_calibration(content)}",
        ),
        ("history", "\n".join(_describe_event(event, content["items"]) for event in content["history"])),
        ("versions", ", ".join(f"{name} {number}" for name, number in content["versions"].items())),
    ]
    return [(name, text) for name, text in lines if text]


def _describe_rows(content: dict[str, Any]) -> str:
    items, rows = content["items"], content["training_rows"]
    if content["leave_one_out"]:
        text = f"{rows} {items}, calibrated on the same {items}, each left out of its own score"
    else:
        text = f"{rows} {items}, calibrated on {content['calibration_rows']} more"
    left_out = content["left_out_rows"]
    return text + (f"; the {left_out} strangest {items} were left out" if left_out else "")


def _describe_embedder(embedder: dict[str, Any] | None) -> str:
    if embedder is None:
        return ""
    output = "" if embedder["output"] is None else f", output {embedder['output']}"
    pixels = "" if embedder["pixels"] is None else f", pixels {embedder['pixels']}"
    return f"{embedder['name']}{output}: {embedder['dimension']} features{pixels}, SHA-256 {embedder['sha256'][:12]}..."


def _describe_held_calibration(content: dict[str, Any]) -> str:
    count = content["held_calibration_rows"]
    return f" and {count} calibration {content['items']}" if count else ""


def _describe_event(event: dict[str, Any], items: str) -> str:
    threshold = "no threshold" if event["threshold"] is None else f"threshold {event['threshold']:.6g}"
    return (
        f"{event['time']} {event['what']}: {event['rows']} {items}, then {event['calibration_rows']} calibration "
        f"{items}, {threshold} (ebmood {event['ebmood']})"
    )


def _describe_input(content: dict[str, Any]) -> tuple[str, str]:
    if content["images"]:
        colour = "colour" if content["images"]["channels"] == 3 else "greyscale"
        return "images", f"{colour}, the central square, {content['images']['size']} pixels per side"
    if not content["features"]:
        return "inputs", f"of shape {content['shape']}, without names"
    embedded = {
        f"{column['name']} (feature {k})"
        for column in (content["preparation"] or {}).get("columns", ())
        if column["kind"] == "text"
        for k in range(column["embedder"]["dimension"])
    }
    embedded |= {
        f"{column['name']}[{k}]"
        for column in (content["preparation"] or {}).get("columns", ())
        if column["kind"] == "list"
        for k in range(column["length"])
    }
    names = [name for name in content["features"] if name not in embedded]
    return "features", ": ".join(filter(None, [str(len(content["features"])), join_columns(names)]))


def _describe_flags(content: dict[str, Any]) -> str:
    items = content["items"]
    if content["offset"] is None:
        return f"none: too few calibration {items} for alpha={content['alpha']}"
    if content["segments"]:
        return f"by segment; {content['false_alarm_rate']:.2%} of normal {items} on average"
    if content["weighted"]:
        return (
            f"by weight; at most {content['false_alarm_rate']:.2%} of {items} with the density of the weights"
        )
    return f"scores below {content['offset']:.6g}; {content['false_alarm_rate']:.2%} of normal {items} on average"
