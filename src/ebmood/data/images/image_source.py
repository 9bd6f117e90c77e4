"""Image sources: a set that is learnt from, and natural sets that it is told apart from."""

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import digest
from ebmood.data.dataset import Dataset, Split
from ebmood.data.images.decode_cache import Decoded, decoded
from ebmood.data.images.image_probes import PROBES_VERSION
from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.image_split import SPLIT_VERSION, split_images
from ebmood.data.images.in_distribution import Inside
from ebmood.data.images.readers import CorruptDataError, MissingDataError, Part, Parts
from ebmood.data.source import Source
from ebmood.data.split import MOST_TEST_ROWS
from ebmood.data.table import ClassName

PAPER_SIZE = 32
PAPER = {
    "fmnist": ("mnist", "notmnist", "kmnist"),
    "cifar10": ("lsun", "textures", "cifar100", "svhn", "celeba"),
}
"""The paper's natural sets for each of its in-distribution sets."""


class ImageSource(Source):
    """What all image sources share. Images are brought to the in-distribution set's channels and to `size`.

    The rule is in `shape.py`, the split in `split.py`. Of a natural set its official test part is used, or
    all of it where it has none. Decoded images are kept in the cache folder and mapped from there.

    Attributes:
        id: the in-distribution set.
        natural: natural OOD sets.
        hold_out: classes of `id` that become natural OOD sets, one each, with all their images.
        unscaled: the natural set that also comes as a probe, as floats 0 to 255; the first that is there if
            None, or if that one is absent.
        name: what tables call the data set. If None it is called after `id`, with `-small` where the paper's
            set was cut (the notes say how).
        size: of the images' sides, in pixels. The paper's is 32.
        train_rows: keep so many training images at most (and validation images in proportion).
        test_rows: keep so many test images a set at most.
        data: the data folder; EBMOOD_DATA, or `~/.cache/ebmood/data`, if None.
        cache: folder of decoded images; EBMOOD_CACHE, or `~/.cache/ebmood/decoded`, if None.
        download: whether torchvision may fetch sets that are not there.
        skip_corrupt: leave damaged images out, and natural sets whose archive is damaged; both are noted.
        missing: a natural set whose files are not there is an `error`, or is listed as absent (`note`).
    """

    id: ImageSet
    natural: tuple[ImageSet, ...] = ()
    hold_out: tuple[ClassName, ...] = ()
    unscaled: str | None = None
    name: str | None = None
    size: int = Field(default=PAPER_SIZE, ge=4, le=1024)
    train_rows: PositiveInt | None = None
    test_rows: int = Field(default=MOST_TEST_ROWS, ge=1, le=MOST_TEST_ROWS)
    data: str | None = None
    cache: str | None = None
    download: bool = False
    skip_corrupt: bool = False
    missing: Literal["error", "note"] = "error"

    def load(self) -> Dataset:
        """Find, decode (or map from the cache) and name all images.

        Raises:
            EbmoodError: files are missing, damaged, unlike each other or unlabelled where labels are needed;
                torchvision is not installed; or the cache cannot be written.
        """
        data = _folder(self.data, "EBMOOD_DATA", "data")
        parts = self.id.find(data, self.download)
        if parts.train is None:
            raise MissingDataError(
                f"{self.id.title}: only the test part is under {data}; put the training part there"
            )
        train = self._decoded(parts.train, None)
        channels = train.x.shape[1]
        test = None if parts.test is None else self._decoded(parts.test, channels)
        natural, absent = self._load_natural(data, channels)
        inside = Inside.of(train, test).without(self.hold_out, parts.train.where)
        for name in inside.held:
            _check_free(name, natural)
        arrays = {**inside.held, **{name: part.x for name, part in natural.items()}}
        every = [train, *([] if test is None else [test]), *natural.values()]
        cut = self._cuts(parts)
        contents = [train.about.content, test and test.about.content]
        contents += [[name, part.about.content] for name, part in natural.items()]
        kept = self.model_dump(mode="json", include={"hold_out", "unscaled", "train_rows", "test_rows"})
        return Dataset(
            name=self.name or (f"{self.id.title}-small" if cut and self._paper else self.id.title),
            x=inside.x,
            y=inside.y,
            classes=inside.classes,
            natural=arrays,
            features=(),
            source=", ".join(dict.fromkeys(part.about.where for part in every)),
            notes=tuple(self._notes(every, cut, absent, data)),
            test_x=inside.test_x,
            test_y=inside.test_y,
            absent=absent,
            stand_ins=tuple(name for name in arrays if self._paper and name not in self._papers_own()),
            small=bool(cut and self._paper),
            content=digest([contents, kept, sorted(absent), inside.classes]),
        )

    def split(self, dataset: Dataset, seed: int) -> Split:
        """See `split_images`."""
        return split_images(dataset, seed, self.duplicates, self.train_rows, self.test_rows, self.unscaled)

    def versions(self) -> tuple[int, ...]:
        """Return the versions of the split and the probes of images."""
        return (SPLIT_VERSION, PROBES_VERSION)

    @property
    def _paper(self) -> tuple[str, ...]:
        """The paper's natural sets for `id`; empty where `id` is none of the paper's."""
        return () if self.id.colourised else PAPER.get(self.id.set or "", ())

    def _papers_own(self) -> set[str]:
        return {
            chosen.title for chosen in self.natural if chosen.set in self._paper and not chosen.colourised
        }

    def _decoded(self, part: Part, channels: int | None) -> Decoded:
        cache = _folder(self.cache, "EBMOOD_CACHE", "decoded")
        return decoded(part, self.size, channels, cache, self.skip_corrupt)

    def _load_natural(self, data: Path, channels: int) -> tuple[dict[str, Decoded], dict[str, str]]:
        natural: dict[str, Decoded] = {}
        absent: dict[str, str] = {}
        for chosen in self.natural:
            _check_free(chosen.title, natural)
            try:
                parts = chosen.find(data, self.download)
                part = parts.test or parts.train
                assert part is not None
                natural[chosen.title] = self._decoded(part, channels)
            except MissingDataError as error:
                if self.missing == "error":
                    raise MissingDataError(
                        f"{error}; or go on without it: `missing: note`, or --skip-missing"
                    ) from error
                absent[chosen.title] = _first_clause(error, data)
            except CorruptDataError as error:
                if not self.skip_corrupt:
                    raise
                absent[chosen.title] = _first_clause(error, data)
        return natural, absent

    def _cuts(self, parts: Parts) -> list[str]:
        """How the paper's set was cut."""
        cuts = [
            (self.size != PAPER_SIZE, f"{self.size} x {self.size} pixels in place of 32 x 32"),
            (self.train_rows is not None, f"at most {self.train_rows} training images"),
            (self.test_rows < MOST_TEST_ROWS, f"at most {self.test_rows} test images a set"),
            (bool(self.hold_out), f"{', '.join(self.hold_out)} held out"),
            (not parts.official, "not the official files"),
        ]
        return [text for applies, text in cuts if applies]

    def _notes(
        self, parts: list[Decoded], cut: list[str], absent: dict[str, str], data: Path
    ) -> Iterator[str]:
        if cut and self._paper:
            yield f"small: {'; '.join(cut)}"
        for chosen in self.natural:
            if self._paper and chosen.title not in self._papers_own() and chosen.title not in absent:
                yield f"{chosen.title} stands in for a natural set of the paper"
        if self._paper and self.hold_out:
            yield f"held-out classes stand in for natural sets of the paper: {', '.join(self.hold_out)}"
        yield from (f"natural set {name} is absent: {reason}" for name, reason in absent.items())
        yield from (part.note.replace(f"{data}{os.sep}", "") for part in parts if part.note)


class Images(ImageSource):
    """Any image sets."""

    kind: Literal["images"] = "images"


class FMNIST(ImageSource):
    """The paper's FMNIST: against MNIST, NotMNIST and KMNIST."""

    kind: Literal["fmnist"] = "fmnist"
    id: ImageSet = ImageSet(set="fmnist")
    natural: tuple[ImageSet, ...] = tuple(ImageSet(set=name) for name in ("mnist", "notmnist", "kmnist"))
    unscaled: str | None = "kmnist"


class CIFAR10(ImageSource):
    """The paper's CIFAR-10: against LSUN, Textures, CIFAR-100, SVHN and CelebA."""

    kind: Literal["cifar10"] = "cifar10"
    id: ImageSet = ImageSet(set="cifar10")
    natural: tuple[ImageSet, ...] = tuple(
        ImageSet(set=name) for name in ("lsun", "textures", "cifar100", "svhn", "celeba")
    )
    unscaled: str | None = "svhn"


def _folder(wanted: str | None, variable: str, usual: str) -> Path:
    return Path(wanted or os.environ.get(variable) or Path("~/.cache/ebmood") / usual).expanduser()


def _first_clause(error: EbmoodError, data: Path) -> str:
    """What is wrong, without what to do, and without places on this machine: for tables."""
    return str(error).partition("; ")[0].replace(f"{data}{os.sep}", "").replace(str(data), "the data folder")


def _check_free(name: str, taken: Container[str]) -> None:
    if name in taken:
        raise EbmoodError(f"two natural OOD sets are called {name!r}; give one of them another `name`")
