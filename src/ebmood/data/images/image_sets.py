"""An image set by name or by path, and where its files are looked for."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import model_validator

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.data.images.colorize import colourised
from ebmood.data.images.idx_files import idx_part, idx_parts
from ebmood.data.images.image_folders import folder_parts, zip_parts
from ebmood.data.images.lsun import find_lsun
from ebmood.data.images.npz_files import npz_parts
from ebmood.data.images.readers import MissingDataError, Parts
from ebmood.data.images.torchvision_sets import OFFICIAL

Known = Literal[
    "fmnist", "mnist", "kmnist", "cifar10", "cifar100", "svhn", "textures", "celeba", "notmnist", "lsun"
]
TITLES = {"cifar10": "cifar-10", "cifar100": "cifar-100"}
_ELSEWHERE = {
    "notmnist": "notMNIST_small.tar.gz (about 8 MB; yaroslavvb.com/upload/notMNIST) unpacked as notmnist/",
    "lsun": "test_lmdb/ of test_lmdb.zip, or church_outdoor_val_lmdb/ and its likes (github.com/fyu/lsun)",
}


class ImageSet(Settings):
    """One set of images. In a study file a bare word is a known set, or else a path.

    Attributes:
        set: a known set. It is looked for as torchvision lays it out, and then by its name: see `own_parts`.
        path: in place of `set`, files of the user's: a folder of images, a zip of images, an `.npz`, an IDX
            file, or a folder of IDX files. A relative path starts at the data folder.
        name: what tables call it; the set's name, or the file's without its suffix, if None.
        colourised: paint each image of a greyscale set in two colours (see `colours.py`): a stand-in.
        mixed: whether images may differ in size and mode; each is then brought to shape by itself.
    """

    set: Known | None = None
    path: str | None = None
    name: str | None = None
    colourised: bool = False
    mixed: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"set": value} if value in get_args(Known) else {"path": value}
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.set is None) == (self.path is None):
            raise ValueError("an image set has either a `set` or a `path`")
        return self

    @property
    def title(self) -> str:
        """What tables call it."""
        if self.name is not None:
            return self.name
        plain = TITLES.get(self.set, self.set) if self.set else Path(self.path or "").name.partition(".")[0]
        return f"{plain}-colourised" if self.colourised else plain

    def find(self, data: Path, download: bool = False) -> Parts:
        """The parts of the set that are there.

        Args:
            data: the data folder.
            download: whether torchvision may fetch what is not there.

        Raises:
            MissingDataError: nothing is there; the message says what to put where.
            EbmoodError: what is there cannot be used.
        """
        parts = (
            self._find_known(data, self.set, download) if self.set else self._find_own(data, self.path or "")
        )
        if self.mixed:
            parts = parts.each(lambda part: replace(part, mixed=True))
        return parts.each(colourised) if self.colourised else parts

    def _find_known(self, data: Path, known: Known, download: bool) -> Parts:
        official = OFFICIAL.get(known)
        find = official.find if official else find_lsun if known == "lsun" else lambda data: Parts(None, None)
        paths = _called(data, known)
        parts = find(data)
        if parts == Parts(None, None) and official and download and not paths:
            official.download(data)
            parts = find(data)
        if parts != Parts(None, None):
            return replace(parts, official=True)
        if len(paths) > 1:
            shown = " and ".join(path.name for path in paths[:2])
            raise EbmoodError(f"{data}: both {shown} could be {known}; leave one, or name it by `path`")
        if paths:
            return own_parts(paths[0]).each(lambda part: replace(part, mixed=part.mixed or known == "lsun"))
        raise MissingDataError(f"{known} is not under {data}; {_advice(known, official is not None)}")

    def _find_own(self, data: Path, path: str) -> Parts:
        place = data / Path(path).expanduser()
        if not place.exists():
            raise MissingDataError(
                f"{place}: no such file or folder (known sets are {', '.join(get_args(Known))}); mend the path"
            )
        return own_parts(place)


def own_parts(path: Path) -> Parts:
    """The parts in files of the user's, told apart by what `path` is.

    Raises:
        EbmoodError: it is nothing that can be read, or cannot be read.
    """
    if path.is_dir():
        found = idx_parts(path, {"train": ("train",), "test": ("t10k", "test")})
        return folder_parts(path) if found == Parts(None, None) else found
    if path.suffix.lower() == ".zip":
        return zip_parts(path)
    if path.suffix.lower() == ".npz":
        return npz_parts(path)
    if "idx" in path.name:
        test = any(f"{word}-images" in path.name for word in ("test", "t10k"))
        beside = path.with_name(
            path.name.replace("test-images", "train-images").replace("t10k-images", "train-images")
        )
        if test:
            return Parts(idx_part(beside) if beside.exists() else None, idx_part(path))
        return Parts(idx_part(path), None)
    raise EbmoodError(
        f"{path}: is neither a folder of images nor a .zip, .npz or IDX file (with `idx` in its name)"
    )


def _called(data: Path, name: str) -> list[Path]:
    """What in the folder `data` is called by a known set's name."""
    patterns = (name, f"{name}.zip", f"{name}-*.zip", f"{name}.npz", f"{name}-test-images-idx3-ubyte*")
    return [path for pattern in patterns for path in sorted(data.glob(pattern))]


def _advice(known: str, official: bool) -> str:
    own = f"{known}/ (a folder of images), {known}.zip, {known}.npz or {known}-test-images-idx3-ubyte.gz"
    if not official:
        return f"put there {own}; for example {_ELSEWHERE[known]}"
    of = OFFICIAL[known]
    fetch = f"`download: true`, or --download (about {of.megabytes} MB)"
    return f"put its files at {of.place} there, or {own}; or fetch it: {fetch}"
