"""PatchDetector: an estimator that says which images are strange, and where."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from ebmood.core.calibration import rows_needed
from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.core.seeding import numpy_stream
from ebmood.data.images.readers import CorruptDataError
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.calibration_scores import CalibrationScores, warn_if_no_row_is_flagged
from ebmood.detector.held_rows import MANY_EQUAL, warn_of_training_rows
from ebmood.detector.history import Event
from ebmood.detector.item_embedding import find_embedder
from ebmood.detector.labels import labelled_auroc
from ebmood.detector.parameters import (
    AUTO,
    SplitCalibration,
    advise_for_calibration,
    check_alpha_and_device,
    resolve_calibration,
    resolve_seed,
    split_rows,
)
from ebmood.detector.patches.feature_maps import MapChunk, check_has_maps, map_images
from ebmood.detector.patches.heat_map import HeatScale, Maps, enlarge
from ebmood.detector.patches.patch_memory import (
    PatchMemory,
    PatchSettings,
    average_neighbours,
    image_energies,
)
from ebmood.detector.patches.patch_sample import CANDIDATES, MIN_IMAGES, PatchSample, find_patch_prototypes
from ebmood.detector.patches.training_images import MAX_IMAGES, TrainingImages, small_picture
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders import Embedder, ImageEmbedder
from ebmood.embedders.embedder import Bytes, Features
from ebmood.embedders.images import ImageItem, read_items

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]
Skip = Callable[[CorruptDataError], None]


@dataclass(frozen=True)
class PatchChunk:
    """Some images with the energies of their patches.

    Attributes:
        positions: numbers of the images among all, ascending.
        pixels: `(n, 3, S, S)`, the images as the embedder receives them.
        energies: `(n, h, w)`; higher is stranger.
        scores: `(n,)`; higher is more in-distribution.
        features: `(n, C)`, by which the nearest training images are found.
        seen: number of images that were read so far, also skipped ones.
    """

    positions: list[int]
    pixels: Bytes
    energies: Maps
    scores: Floats
    features: NDArray[np.float32]
    seen: int


class PatchDetector(Calibrated, OutlierMixin, BaseEstimator):
    """Detect images of which a part is unlike the training images, with a known false-alarm rate, and show the part.

    It is for aligned scenes: one camera, one pose, or one texture. `fit` keeps a sample of patches of most images, and
    reserves the other images for calibration. Every place of a new image has an energy: how far it is from the patches
    in memory (`ebmood.detector.patches.patch_memory`). The score of an image is minus the mean of its highest energies,
    and its p-value is split-conformal.

    `X` is a list of paths or of images of Pillow, or an array of bytes `(N, 3, H, W)`. Of every image the central
    square is used.

    Args:
        embed: an embedder with feature maps, or its name.
        alpha: level of `predict`: the fraction of images like the training images that may be flagged.
        calibration: images that are reserved for calibration, as a fraction (float) or as a number (int). `"auto"`
            reserves a fifth of them, or as many as `alpha` needs, if half of the images are left for the memory.
        memory: what the detector holds: `rows`, which are patches of training images and small pictures of at most 500
            training images; or `prototypes`, which are centres of clusters of patches, and no pictures, for those who
            may not share images.
        patches: settings of the memory; None for the default ones.
        device: `cpu`, `cuda`, `cuda:1`, ..., or `auto`.
        random_state: seed of the split into training and calibration images, and of the samples of patches and images.

    Attributes:
        offset_ (float): images with a lower score are flagged. Minus infinity if there are too few calibration images
            for `alpha`.
        calibration_ (CalibrationScores): scores of the calibration images.
        embedder_ (ImageEmbedder): the embedder.
        memory_ (PatchMemory): the energies, `(N, C, h, w) -> (N, h, w)`.
        settings_ (PatchSettings): the settings of the memory.
        training_images_ (TrainingImages): some training images, or None.
        n_training_rows_ (int): number of images of which patches are in memory.
        seed_ (int): the seed that `random_state` gave.
        history_ (tuple): the calls of `fit` and `recalibrate`; see `ebmood.detector.history.Event`.
    """

    calibration: SplitCalibration
    memory: Literal["rows", "prototypes"]
    embedder_: ImageEmbedder
    memory_: PatchMemory
    settings_: PatchSettings
    training_images_: TrainingImages | None
    n_training_rows_: int
    seed_: int
    history_: tuple[Event, ...]
    notes_: dict[str, JsonValue]

    def __init__(
        self,
        *,
        embed: Embedder | str = "efficientnet-lite0",
        alpha: float = 0.05,
        calibration: SplitCalibration = "auto",
        memory: Literal["rows", "prototypes"] = "rows",
        patches: PatchSettings | None = None,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ):
        self.embed = embed
        self.alpha = alpha
        self.calibration = calibration
        self.memory = memory
        self.patches = patches
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the memory, and calibrate it on reserved images.

        Args:
            X: N images, three or more, assumed to be in-distribution.
            y: ignored.

        Raises:
            EbmoodError: an image or a parameter cannot be used.

        Warns:
            CalibrationWarning: there are too few calibration images to flag anything at level alpha.
        """
        return self.fit_items(read_items(X))

    def fit_items(
        self,
        items: Sequence[ImageItem],
        skip: Skip | None = None,
        progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Fit as `fit` does.

        Args:
            items: the images.
            skip: called with the error of each damaged image, which is then left out; None to raise the error.
            progress: called with the progress.
        """
        self.__dict__.pop("offset_", None)  # a fit that fails leaves no fitted detector
        check_alpha_and_device(self.alpha, self.device)
        if self.memory not in ("rows", "prototypes"):
            raise InputError(f"memory={self.memory!r}: must be 'rows' or 'prototypes'")
        if isinstance(self.calibration, str) and self.calibration != AUTO:
            value = self.calibration
            option = for_interface(f"--calibration {value} and --where", f"calibration={value!r}")
            raise InputError(
                f"{option}: patches are calibrated on random other images; give a fraction, such as 0.2"
            )
        self.settings_ = PatchSettings() if self.patches is None else self.patches
        self.seed_ = resolve_seed(self.random_state)
        self.embedder_ = check_has_maps(find_embedder(self.embed, self.device))
        resolved = resolve_calibration(self.calibration, len(items), self.alpha, knows_loo=False)
        training, calibration = split_rows(resolved, len(items), self.seed_)
        count = self._fit_memory([items[k] for k in training], skip, progress, len(items))
        scores = []
        for chunk in self.score_items([items[k] for k in calibration], skip):
            scores.append(chunk.scores)
            progress("calibrating", (len(training) + chunk.seen) / len(items))
        if not scores:
            raise InputError(
                f"X: none of {len(calibration)} images for calibration can be read; give more images"
            )
        self.n_training_rows_ = count
        advice = advise_for_calibration(
            self.alpha, self.calibration, len(items), items="images", knows_loo=False
        )
        self._calibrate(np.concatenate(scores), advice)
        self.history_ = (self._event("fit", len(items)),)
        self.notes_ = {}
        return self

    def _fit_memory(
        self, items: Sequence[ImageItem], skip: Skip | None, progress: ProgressCallback, total: int
    ) -> int:
        """Set the memory and the training images, and return the number of images that were read."""
        holds_rows = self.memory == "rows"
        sample = PatchSample(self.settings_.patches if holds_rows else CANDIDATES, len(items), self.seed_)
        order = numpy_stream(self.seed_, "training images").permutation(len(items))
        shown = set(order[:MAX_IMAGES].tolist()) if holds_rows else set()
        pictures: list[bytes] = []
        means: list[Features] = []
        count = 0
        for chunk in map_images(self.embedder_, items, skip):
            sample.add(chunk.maps)
            count += len(chunk.positions)
            averages = _mean_patches(chunk)
            for index, position in enumerate(chunk.positions):
                if position in shown:
                    pictures.append(small_picture(chunk.pixels[index]))
                    means.append(averages[index])
            progress("embedding", chunk.seen / total)
        if count < 2:
            raise InputError(f"X: {count} of {len(items)} training images can be read; give at least 2")
        patches, sources = sample.patches()
        centre, scale = sample.moments()
        if not holds_rows:
            blank = PatchMemory(2, len(centre), self.settings_).fit(patches[:2], centre, scale)
            prototypes = find_patch_prototypes(blank.standardise(patches), sources, self.seed_)
            if len(prototypes) < 2:
                raise InputError(
                    f"memory='prototypes': a prototype needs patches of {MIN_IMAGES} images, and there are only "
                    f"{len(prototypes)} such clusters; give more images"
                )
            patches = prototypes * blank.scale + blank.centre
        memory = PatchMemory(len(patches), len(centre), self.settings_).fit(patches, centre, scale)
        self.memory_ = memory.to(self.embedder_.device).requires_grad_(False)
        self.training_images_ = None
        if holds_rows:
            features = memory.standardise(torch.from_numpy(np.stack(means)).to(self.embedder_.device))
            self.training_images_ = TrainingImages(tuple(pictures), features.cpu().numpy())
        return count

    def _calibrate(self, scores: Floats, advice: str) -> None:
        """Calibrate with the scores of calibration images. `advice` says what helps if they are too few."""
        self.calibration_ = CalibrationScores.of_rows(scores, least=rows_needed(self.alpha))
        self.offset_ = self.calibration_.offset(self.alpha)
        warn_if_no_row_is_flagged(self.calibration_, self.alpha, advice, "images")

    def _event(self, what: Literal["fit", "recalibrate"], images: int) -> Event:
        return Event.now(what, images, len(self.calibration_scores_), self.offset_, self.seed_)

    def recalibrate(self, X: Any) -> Self:
        """Replace the calibration images without a new fit: scores stay, thresholds and p-values change.

        The p-values then hold for images like the new calibration images.

        Args:
            X: N images, assumed to be in-distribution. They must not be training images, whose scores are higher.

        Raises:
            EbmoodError: an image cannot be used.

        Warns:
            CalibrationWarning: there are too few images to flag anything at level alpha, or many of them are training
                images.
        """
        return self.recalibrate_items(read_items(X))

    def recalibrate_items(
        self,
        items: Sequence[ImageItem],
        skip: Skip | None = None,
        progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Recalibrate as `recalibrate` does.

        Args:
            items: the images.
            skip: called with the error of each damaged image, which is then left out; None to raise the error.
            progress: called with the progress.
        """
        check_is_fitted(self)
        scores, are_known = [], []
        for chunk in self.score_items(items, skip):
            scores.append(chunk.scores)
            if self.training_images_ is not None:
                are_known.append(self.training_images_.contains(chunk.features))
            progress("calibrating", chunk.seen / len(items))
        if not scores:
            raise InputError(f"X: none of {len(items)} images can be read; give other images")
        known = np.concatenate(are_known) if are_known else np.zeros(1, bool)
        # Of the training images, `training_images_` holds a sample.
        held = 0 if self.training_images_ is None else len(self.training_images_.pictures)
        if known.sum() >= MANY_EQUAL and known.mean() > held / self.n_training_rows_ / 2:
            warn_of_training_rows(float(known.mean()), "images")
        self._calibrate(np.concatenate(scores), f"give {rows_needed(self.alpha)} images or more")
        self.history_ += (self._event("recalibrate", len(items)),)
        return self

    def score_items(self, items: Sequence[ImageItem], skip: Skip | None = None) -> Iterator[PatchChunk]:
        """Yield the energies and scores of images, a few at a time, in bounded memory.

        Args:
            items: the images.
            skip: called with the error of each damaged image, which is then left out; None to raise the error.

        Raises:
            EbmoodError: an image cannot be used; the message names it.
        """
        for chunk in map_images(self.embedder_, items, skip):
            energies = self.memory_(torch.from_numpy(chunk.maps).to(self.embedder_.device))
            highest = image_energies(energies, self.settings_.deciding)
            means = torch.from_numpy(_mean_patches(chunk)).to(self.embedder_.device)
            yield PatchChunk(
                chunk.positions,
                chunk.pixels,
                energies.cpu().numpy(),
                -highest.double().cpu().numpy(),
                self.memory_.standardise(means).cpu().numpy(),
                chunk.seen,
            )

    def score_samples(self, X: Any) -> Floats:
        """Return the scores of N images, `(N,)`. Higher is more in-distribution."""
        check_is_fitted(self)
        return np.concatenate([chunk.scores for chunk in self.score_items(read_items(X))])

    def score_batch(self, X: Any, alpha: float | None = None) -> ScoreBatch:
        """Return scores, p-values and flags of N images, computed in one pass.

        Args:
            X: the images.
            alpha: level of the flags; None for the `alpha` of the detector.

        Raises:
            EbmoodError: an image or `alpha` cannot be used.
        """
        return self.decide(self.score_samples(X), alpha=alpha)

    def decide(
        self,
        scores: Floats,
        kept_columns: "pyarrow.RecordBatch | None" = None,
        alpha: float | None = None,
    ) -> ScoreBatch:
        """Return scores `(N,)` together with their p-values and flags.

        Args:
            scores: results of `score_samples`.
            kept_columns: N rows of other columns, to be returned with the results.
            alpha: level of the flags; None for the `alpha` of the detector.
        """
        return self._batch(scores, alpha, kept_columns)

    def decision_function(self, X: Any) -> Floats:
        """Return scores minus the threshold, negative for flagged images: `(N,)`."""
        return self.score_samples(X) - self.offset_

    def score(self, X: Any, y: Any = None) -> float:
        """Return the AUROC of the scores.

        Args:
            X: N images.
            y: `(N,)` labels: 1 for normal images and -1 for outliers; or 0 for normal images and another number for
                outliers.

        Raises:
            InputError: `y` is missing, holds other values or only one kind of images.
        """
        return labelled_auroc(self.score_samples(X), y)

    def heat_maps(self, X: Any, size: int | None = None) -> Maps:
        """Return the energies of all pixels of the central squares of N images: `(N, size, size)`, float32.

        Higher is stranger. `heat_scale_` has the energies that are usual.

        Args:
            X: the images.
            size: pixels per side of a map; None for that of the images that the embedder receives.

        Raises:
            EbmoodError: an image cannot be used.
        """
        check_is_fitted(self)
        size = self.embedder_.image_size if size is None else size
        return np.concatenate([enlarge(chunk.energies, size) for chunk in self.score_items(read_items(X))])

    @property
    def heat_scale_(self) -> HeatScale:
        """The scale of the colours of maps, the same for all images."""
        return HeatScale.of_calibration(self.calibration_scores_, self.offset_)

    def digest(self) -> str:
        """Return the SHA-256 of what scores and p-values depend on. It recognises a fitted detector."""
        check_is_fitted(self)
        return self._digest((self.embedder_.identity, self.settings_), self.memory_.state_dict())

    def save(self, folder: Path | str, notes: dict[str, JsonValue] | None = None) -> None:
        """Write the fitted detector to a folder. A detector that is already there is replaced atomically.

        Args:
            folder: created if it does not exist.
            notes: JSON values to store with the detector. None keeps those of a loaded detector.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        from ebmood.detector.patches.patch_files import (
            save_patch_detector,  # it loads detectors of this class
        )

        check_is_fitted(self)
        save_patch_detector(self, Path(folder), self.notes_ if notes is None else notes)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "offset_")


def _mean_patches(chunk: MapChunk) -> Features:
    """Return the mean patch of each image, `(n, C)`."""
    return average_neighbours(torch.from_numpy(chunk.maps)).mean((2, 3)).numpy()
