"""Image sources: an in-distribution set, and natural OOD sets."""

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import digest
from ebmood.data.dataset import Dataset, Split
from ebmood.data.images.decode_cache import DecodedPart, load_decoded
from ebmood.data.images.image_probes import PROBES_VERSION
from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.image_split import SPLIT_VERSION, split_images
from ebmood.data.images.in_distribution import InDistribution
from ebmood.data.images.readers import CorruptDataError, MissingDataError, Part, Parts
from ebmood.data.source import Source
from ebmood.data.split import MAX_TEST_ROWS
from ebmood.data.table import ClassName

PAPER_SIZE = 32
"""Height and width of the paper's images in pixels."""

PAPER_SETS = {
    "fmnist": ("mnist", "notmnist", "kmnist"),
    "cifar10": ("lsun", "textures", "cifar100", "svhn", "celeba"),
}
"""The paper's natural OOD sets for each of its in-distribution sets."""


class ImageSource(Source):
    """Base class of image sources. All images get the channels of the in-distribution set and the given size.

    See `ebmood.data.images.resize` for the conversion and `ebmood.data.images.image_split` for the split. The official
    test part of a natural set is used, or all of its images if it has no test part. Decoded images are stored in the
    cache folder and memory-mapped.

    Attributes:
        id: the in-distribution set.
        natural: natural OOD sets.
        hold_out: classes of `id` that become natural OOD sets, one set per class, with all images of the class.
        unscaled: name of the natural set that is also used as a probe, as floats in 0..255. The first available set is
            used if this is None or not available.
        name: name of the data set in tables. None for the name of `id`, with the suffix `-small` if the set of the
            paper was reduced (the notes say how).
        size: height and width of the images in pixels; 32 in the paper.
        train_rows: maximum number of training images. The number of validation images is reduced in proportion.
        test_rows: maximum number of images in a test set.
        data: the data folder; None for EBMOOD_DATA or `~/.cache/ebmood/data`.
        cache: folder of decoded images; None for EBMOOD_CACHE or `~/.cache/ebmood/decoded`.
        download: whether torchvision may download missing sets.
        skip_corrupt: whether damaged images, and natural sets with a damaged archive, are left out and noted, instead
            of an error.
        missing: whether a missing natural set is an `error`, or is listed as absent (`note`).
    """

    id: ImageSet
    natural: tuple[ImageSet, ...] = ()
    hold_out: tuple[ClassName, ...] = ()
    unscaled: str | None = None
    name: str | None = None
    size: int = Field(default=PAPER_SIZE, ge=4, le=1024)
    train_rows: PositiveInt | None = None
    test_rows: int = Field(default=MAX_TEST_ROWS, ge=1, le=MAX_TEST_ROWS)
    data: str | None = None
    cache: str | None = None
    download: bool = False
    skip_corrupt: bool = False
    missing: Literal["error", "note"] = "error"

    def load(self) -> Dataset:
        """Find all images, and decode them or open them from the cache.

        Raises:
            EbmoodError: files are missing or damaged, images differ in size or mode, required labels are missing,
                torchvision is not installed, or the cache cannot be written.
        """
        data = _folder(self.data, "EBMOOD_DATA", "data")
        parts = self.id.find(data, self.download)
        if parts.train is None:
            raise MissingDataError(
                f"{self.id.title}: {data} contains only the test part; add the training part to this folder"
            )
        train = self._load_part(parts.train, None)
        channels = train.x.shape[1]
        test = None if parts.test is None else self._load_part(parts.test, channels)
        natural, absent = self._load_natural(data, channels)
        images = InDistribution.from_parts(train, test).hold_out(self.hold_out, parts.train.description)
        for name in images.held_out:
            _check_unique(name, natural)
        arrays = {**images.held_out, **{name: part.x for name, part in natural.items()}}
        decoded = [train, *([] if test is None else [test]), *natural.values()]
        reductions = self._reductions(parts)
        contents = [train.about.content, test and test.about.content]
        contents += [[name, part.about.content] for name, part in natural.items()]
        settings = self.model_dump(mode="json", include={"hold_out", "unscaled", "train_rows", "test_rows"})
        is_small = bool(reductions and self._paper_sets)
        return Dataset(
            name=self.name or (f"{self.id.title}-small" if is_small else self.id.title),
            x=images.x,
            y=images.y,
            classes=images.classes,
            natural=arrays,
            features=(),
            source=", ".join(dict.fromkeys(part.about.where for part in decoded)),
            notes=tuple(self._notes(decoded, reductions, absent, data)),
            test_x=images.test_x,
            test_y=images.test_y,
            absent=absent,
            stand_ins=tuple(name for name in arrays if self._paper_sets and name not in self._paper_titles()),
            small=is_small,
            content=digest([contents, settings, sorted(absent), images.classes]),
        )

    def split(self, dataset: Dataset, seed: int) -> Split:
        """Return the split of the images that `load` returned; see `split_images`."""
        return split_images(dataset, seed, self.duplicates, self.train_rows, self.test_rows, self.unscaled)

    def versions(self) -> tuple[int, ...]:
        """Return the versions of the split and of the probes of images."""
        return SPLIT_VERSION, PROBES_VERSION

    @property
    def _paper_sets(self) -> tuple[str, ...]:
        """The paper's natural sets for `id`; empty if the paper does not use `id`."""
        return () if self.id.colourised else PAPER_SETS.get(self.id.set or "", ())

    def _paper_titles(self) -> set[str]:
        """Return the names of the natural sets that the paper uses too."""
        return {one.title for one in self.natural if one.set in self._paper_sets and not one.colourised}

    def _load_part(self, part: Part, channels: int | None) -> DecodedPart:
        cache = _folder(self.cache, "EBMOOD_CACHE", "decoded")
        return load_decoded(part, self.size, channels, cache, self.skip_corrupt)

    def _load_natural(self, data: Path, channels: int) -> tuple[dict[str, DecodedPart], dict[str, str]]:
        """Return the available natural sets, and the reason for each that is absent."""
        natural: dict[str, DecodedPart] = {}
        absent: dict[str, str] = {}
        for image_set in self.natural:
            _check_unique(image_set.title, natural)
            try:
                parts = image_set.find(data, self.download)
                part = parts.test or parts.train
                assert part is not None
                natural[image_set.title] = self._load_part(part, channels)
            except MissingDataError as error:
                if self.missing == "error":
                    raise MissingDataError(
                        f"{error}; or continue without it: `missing: note`, or --skip-missing"
                    ) from error
                absent[image_set.title] = _short_reason(error, data)
            except CorruptDataError as error:
                if not self.skip_corrupt:
                    raise
                absent[image_set.title] = _short_reason(error, data)
        return natural, absent

    def _reductions(self, parts: Parts) -> list[str]:
        """Return in which ways these images differ from the set of the paper."""
        reductions = [
            (self.size != PAPER_SIZE, f"{self.size} x {self.size} pixels instead of 32 x 32"),
            (self.train_rows is not None, f"at most {self.train_rows} training images"),
            (self.test_rows < MAX_TEST_ROWS, f"at most {self.test_rows} images per test set"),
            (bool(self.hold_out), f"{', '.join(self.hold_out)} held out"),
            (not parts.official, "not the official files"),
        ]
        return [text for applies, text in reductions if applies]

    def _notes(
        self, decoded: list[DecodedPart], reductions: list[str], absent: dict[str, str], data: Path
    ) -> Iterator[str]:
        if reductions and self._paper_sets:
            yield f"small: {'; '.join(reductions)}"
        for one in self.natural:
            if self._paper_sets and one.title not in self._paper_titles() and one.title not in absent:
                yield f"{one.title} replaces a natural set of the paper"
        if self._paper_sets and self.hold_out:
            yield f"held-out classes replace natural sets of the paper: {', '.join(self.hold_out)}"
        yield from (f"natural set {name} is absent: {reason}" for name, reason in absent.items())
        yield from (part.note.replace(f"{data}{os.sep}", "") for part in decoded if part.note)


class Images(ImageSource):
    """Any image sets."""

    kind: Literal["images"] = "images"


class FMNIST(ImageSource):
    """FMNIST with the natural OOD sets of the paper: MNIST, NotMNIST and KMNIST."""

    kind: Literal["fmnist"] = "fmnist"
    id: ImageSet = ImageSet(set="fmnist")
    natural: tuple[ImageSet, ...] = tuple(ImageSet(set=name) for name in ("mnist", "notmnist", "kmnist"))
    unscaled: str | None = "kmnist"


class CIFAR10(ImageSource):
    """CIFAR-10 with the natural OOD sets of the paper: LSUN, Textures, CIFAR-100, SVHN and CelebA."""

    kind: Literal["cifar10"] = "cifar10"
    id: ImageSet = ImageSet(set="cifar10")
    natural: tuple[ImageSet, ...] = tuple(
        ImageSet(set=name) for name in ("lsun", "textures", "cifar100", "svhn", "celeba")
    )
    unscaled: str | None = "svhn"


def _folder(setting: str | None, variable: str, default: str) -> Path:
    return Path(setting or os.environ.get(variable) or Path("~/.cache/ebmood") / default).expanduser()


def _short_reason(error: EbmoodError, data: Path) -> str:
    """Return what is wrong, without the advice and without the path of the data folder, for tables."""
    return str(error).partition("; ")[0].replace(f"{data}{os.sep}", "").replace(str(data), "the data folder")


def _check_unique(name: str, names: Container[str]) -> None:
    if name in names:
        raise EbmoodError(f"two natural OOD sets have the name {name!r}; set another `name` for one of them")
