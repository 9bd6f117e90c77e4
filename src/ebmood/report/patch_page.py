"""The page of a detector of patches: the strangest images, maps of what is wrong in them, near training images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from ebmood.core import calibration as conformal
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.patches import PatchDetector
from ebmood.detector.patches.heat_map import Maps, overlay, square_of, strangest_place
from ebmood.detector.patches.training_images import small_picture
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.items import IMAGES
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders.embedder import Bytes
from ebmood.report.detector_page import false_alarm_blocks, name_of_normal, score_blocks
from ebmood.report.page import Block, Facts, Page, Picture, Pictures, Section, Text

MAX_IMAGES = 12
"""Images that are shown with their maps."""

NEAREST = 3
"""Training images beside each of them."""

SIDE = 256
"""Pixels per side of an image on the page, at most."""


@dataclass(frozen=True)
class StrangeImage:
    """An image that is shown.

    Attributes:
        score: its score.
        p_value: its p-value.
        is_flagged: whether it is flagged.
        set_name: the set that it is from.
        file: its path inside the set.
        pixels: `(3, S, S)`.
        energies: `(h, w)`.
        place: the pixel (x, y) at the centre of the strangest patch.
        features: `(C,)`, by which near training images are found.
    """

    score: float
    p_value: float
    is_flagged: bool
    set_name: str
    file: str
    pixels: Bytes
    energies: Maps
    place: tuple[int, int]
    features: NDArray[np.float32]


def patch_page(
    detector: PatchDetector,
    title: str = "Detector",
    inside: ImageStream | None = None,
    outside: Mapping[str, ImageStream] | None = None,
    versions: Mapping[str, str] | None = None,
    progress: ProgressCallback = ignore_progress,
) -> Page:
    """Return the page of a detector of patches, with or without test images.

    Args:
        detector: fitted.
        title: heading of the page.
        inside: normal images that are not training images.
        outside: other folders of images by name.
        versions: versions of the libraries that fitted the detector.
        progress: called with the progress of scoring.

    Raises:
        EbmoodError: an image cannot be used.
    """
    strange: list[StrangeImage] = []
    batches: dict[str, ScoreBatch] = {}
    for name, folder in (
        ({} if inside is None else {name_of_normal(IMAGES): inside}) | dict(outside or {})
    ).items():
        batches[name], shown = _score_set(detector, name, folder, progress)
        strange = sorted([*strange, *shown], key=lambda image: image.score)[:MAX_IMAGES]
    normal = batches.get(name_of_normal(IMAGES)) if inside is not None else None
    others = {name: batches[name] for name in outside or {}}
    scores = score_blocks(detector, IMAGES, normal, others if normal is not None else {})
    if normal is None and others:
        scores = scores[:1]  # without the hint to give test images
    sections = [Section("strangest", "What is wrong", _strangest(detector, strange))] if strange else []
    sections += [
        Section("scores", "Scores", scores),
        Section("false-alarms", "False alarms", false_alarm_blocks(detector, IMAGES, normal)),
        Section("fitted", "Training", [_facts(detector, versions or {})]),
    ]
    return Page(title, _lead(detector, batches), tuple(sections), f"Made by ebmood {version('ebmood')}.")


def _score_set(
    detector: PatchDetector, name: str, folder: ImageStream, progress: ProgressCallback
) -> tuple[ScoreBatch, list[StrangeImage]]:
    """Return the results of all images of a folder, and its strangest images."""
    items, scores = folder.items(), []
    strange: list[StrangeImage] = []
    for chunk in detector.score_items(items, folder.skip):
        batch = detector.decide(chunk.scores)
        scores.append(chunk.scores)
        for index, position in enumerate(chunk.positions):
            place = strangest_place(chunk.energies[index])
            image = StrangeImage(
                float(chunk.scores[index]),
                float(batch.p_values[index]),
                bool(batch.flags[index]),
                name,
                folder.names[position],
                chunk.pixels[index],
                chunk.energies[index],
                square_of(items[position]).pixel(place, chunk.energies[index].shape),
                chunk.features[index],
            )
            strange.append(image)
        strange = sorted(strange, key=lambda image: image.score)[:MAX_IMAGES]
        progress("scoring", chunk.seen / len(items))
    if not scores:
        folder.refuse_none()
    return detector.decide(np.concatenate(scores)), strange


def _lead(detector: PatchDetector, batches: Mapping[str, ScoreBatch]) -> str:
    patches = "Patches" if detector.memory == "rows" else "Prototypes of patches"
    lead = (
        f"{patches} of {detector.n_training_rows_:,} images are in memory, and "
        f"{len(detector.calibration_scores_):,} other images calibrate the scores. "
    )
    if math.isfinite(detector.offset_):
        lead += f"On average, {detector.false_alarm_rate_:.2%} of normal images are flagged."
    else:
        needed = conformal.rows_needed(detector.alpha)
        lead += f"These are too few to flag any image at alpha = {detector.alpha:g}: {needed:,} are needed."
    for name, batch in batches.items():
        lead += f" Of the {len(batch.flags):,} images of {name}, {int(batch.flags.sum()):,} are flagged."
    return lead


def _strangest(detector: PatchDetector, strange: Sequence[StrangeImage]) -> list[Block]:
    explanation = (
        "Each image, and the same image with a map of the energies of its patches: from yellow to dark red, the "
        "patches are less and less like those in memory. The colours have the same meaning in all images: they start "
        "at the score of an ordinary calibration image. "
    )
    if math.isfinite(detector.offset_):
        explanation += "Black lines surround energies above the threshold of the score. "
    if detector.training_images_ is not None:
        explanation += "Then come the training images that are most like the image as a whole."
    return [Text(explanation), *(_pictures(detector, image) for image in strange)]


def _pictures(detector: PatchDetector, image: StrangeImage) -> Pictures:
    heat = overlay(image.pixels, image.energies, detector.heat_scale_)
    pictures = [
        Picture(small_picture(image.pixels, SIDE), image.file),
        Picture(small_picture(heat.transpose(2, 0, 1), SIDE), f"{image.file} with its map of energies"),
    ]
    training = detector.training_images_
    if training is not None:
        for rank, index in enumerate(training.nearest(image.features[None], NEAREST)[0].tolist(), start=1):
            pictures.append(Picture(training.pictures[index], f"Near training image {rank}", small=True))
    caption = (
        f"{image.set_name}, `{image.file.replace('`', '')}`: score {image.score:.4g}, p-value {image.p_value:.4f}"
        f"{', flagged' if image.is_flagged else ''}; the strangest patch is at x = {image.place[0]}, "
        f"y = {image.place[1]}"
    )
    return Pictures(tuple(pictures), caption)


def _facts(detector: PatchDetector, versions: Mapping[str, str]) -> Facts:
    identity, settings = detector.embedder_.identity, detector.settings_
    count, features = detector.memory_.memory.shape
    training = detector.training_images_
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return Facts(
        (
            ("Training images", f"{detector.n_training_rows_:,}"),
            ("Calibration images", f"{len(detector.calibration_scores_):,}"),
            ("Memory", f"{count:,} {'patches' if detector.memory == 'rows' else 'prototypes of patches'}"),
            ("Pictures of training images", f"{0 if training is None else len(training.pictures):,}"),
            ("Features of a patch", f"{features:,}"),
            ("Embedder", f"`{identity.name}`, SHA-256 {identity.sha256[:12]}..."),
            ("Pixels per side", str(identity.image_size)),
            ("Settings", ", ".join(f"{name} {value:g}" for name, value in settings.model_dump().items())),
            ("alpha", f"{detector.alpha:g}"),
            ("Threshold", f"{detector.offset_:.6g}" if math.isfinite(detector.offset_) else "none"),
            ("Seed", str(detector.seed_)),
            ("Versions", libraries or "not recorded"),
        )
    )
