"""Image sets by name or by path, and the search for their files."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import model_validator

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.data.images.colorize import colourise
from ebmood.data.images.idx_files import idx_part, idx_parts
from ebmood.data.images.image_folders import folder_parts, zip_parts
from ebmood.data.images.lsun import find_lsun
from ebmood.data.images.npz_files import npz_parts
from ebmood.data.images.readers import MissingDataError, Part, Parts
from ebmood.data.images.torchvision_sets import TORCHVISION_SETS

KnownSet = Literal[
    "fmnist", "mnist", "kmnist", "cifar10", "cifar100", "svhn", "textures", "celeba", "notmnist", "lsun"
]
TITLES = {"cifar10": "cifar-10", "cifar100": "cifar-100"}
_DOWNLOADS = {
    "notmnist": "notMNIST_small.tar.gz (about 8 MB; yaroslavvb.com/upload/notMNIST), extracted as notmnist/",
    "lsun": "test_lmdb/ from test_lmdb.zip, or church_outdoor_val_lmdb/ and others (github.com/fyu/lsun)",
}


class ImageSet(Settings):
    """A set of images. In a study file it may be written as a single word: the name of a known set, or a path.

    Attributes:
        set: name of a known set. Its files are searched in the layout of torchvision, and then by the name of the set;
            see `user_parts` for the formats.
        path: files of the user instead of `set`: a folder of images, a zip file of images, an `.npz` file, an IDX file,
            or a folder of IDX files. A relative path starts at the data folder.
        name: name in tables; None for the name of the set, or the file name without its suffix.
        colourised: whether each image of a greyscale set gets two random colours; see `ebmood.data.images.colorize`.
        mixed: whether images may differ in size and mode; each image is then resized separately.
    """

    set: KnownSet | None = None
    path: str | None = None
    name: str | None = None
    colourised: bool = False
    mixed: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"set": value} if value in get_args(KnownSet) else {"path": value}
        return value

    @model_validator(mode="after")
    def _check_set_or_path(self) -> Self:
        if (self.set is None) == (self.path is None):
            raise ValueError("an image set needs either a `set` or a `path`")
        return self

    @property
    def title(self) -> str:
        """The name in tables."""
        if self.name is not None:
            return self.name
        plain = TITLES.get(self.set, self.set) if self.set else Path(self.path or "").name.partition(".")[0]
        return f"{plain}-colourised" if self.colourised else plain

    def find(self, data: Path, download: bool = False) -> Parts:
        """Return the available parts of the set.

        Args:
            data: the data folder.
            download: whether torchvision may download missing files.

        Raises:
            MissingDataError: no files were found; the message says where to put them.
            EbmoodError: the files cannot be used.
        """
        parts = self._find_known(data, self.set, download) if self.set else _find_path(data, self.path or "")
        if self.mixed:
            parts = parts.map(lambda part: replace(part, mixed=True))
        return parts.map(colourise) if self.colourised else parts

    def _find_known(self, data: Path, name: KnownSet, download: bool) -> Parts:
        parts = _find_official(data, name)
        paths = _find_by_name(data, name)
        if parts.is_empty and name in TORCHVISION_SETS and download and not paths:
            TORCHVISION_SETS[name].download(data)
            parts = _find_official(data, name)
        if not parts.is_empty:
            return replace(parts, official=True)
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths[:2])
            raise EbmoodError(f"{data}: both {names} could be {name}; remove one, or select one by `path`")
        if not paths:
            raise MissingDataError(f"{name} was not found in {data}; {_describe_files(name)}")

        def mark_mixed(part: Part) -> Part:
            return replace(part, mixed=part.mixed or name == "lsun")

        return user_parts(paths[0]).map(mark_mixed)


def user_parts(path: Path) -> Parts:
    """Return the parts in files of the user. The format depends on the type and name of `path`.

    Raises:
        EbmoodError: the format is unknown, or the files cannot be read.
    """
    if path.is_dir():
        parts = idx_parts(path, {"train": ("train",), "test": ("t10k", "test")})
        return folder_parts(path) if parts.is_empty else parts
    if path.suffix.lower() == ".zip":
        return zip_parts(path)
    if path.suffix.lower() == ".npz":
        return npz_parts(path)
    if "idx" in path.name:
        if not any(f"{word}-images" in path.name for word in ("test", "t10k")):
            return Parts(idx_part(path), None)
        train_name = path.name.replace("test-images", "train-images").replace("t10k-images", "train-images")
        train = path.with_name(train_name)
        return Parts(idx_part(train) if train.exists() else None, idx_part(path))
    raise EbmoodError(
        f"{path}: neither a folder of images nor a .zip, .npz or IDX file (with `idx` in its name)"
    )


def _find_path(data: Path, name: str) -> Parts:
    path = data / Path(name).expanduser()
    if not path.exists():
        raise MissingDataError(
            f"{path}: no such file or folder (known sets are {', '.join(get_args(KnownSet))}); correct the path"
        )
    return user_parts(path)


def _find_official(data: Path, name: KnownSet) -> Parts:
    """Return the parts in the layout of torchvision or LSUN."""
    if name in TORCHVISION_SETS:
        return TORCHVISION_SETS[name].find(data)
    return find_lsun(data) if name == "lsun" else Parts(None, None)


def _find_by_name(data: Path, name: str) -> list[Path]:
    """Return the files and folders in the data folder that have the name of a known set."""
    patterns = (name, f"{name}.zip", f"{name}-*.zip", f"{name}.npz", f"{name}-test-images-idx3-ubyte*")
    return [path for pattern in patterns for path in sorted(data.glob(pattern))]


def _describe_files(name: str) -> str:
    """Return which files the user can put into the data folder for a known set."""
    files = f"{name}/ (a folder of images), {name}.zip, {name}.npz or {name}-test-images-idx3-ubyte.gz"
    if name not in TORCHVISION_SETS:
        return f"put {files} there, for example {_DOWNLOADS[name]}"
    known = TORCHVISION_SETS[name]
    return (
        f"put its files at {known.location} there, or {files}; or download it: `download: true`, or --download "
        f"(about {known.megabytes} MB)"
    )
