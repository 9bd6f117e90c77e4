"""The sets that torchvision knows: where their files lie, how they are read, checked and downloaded.

Files lie as torchvision lays them out in its `root`, here the data folder. MNIST and its likes are read
gzipped or not; torchvision checks them when it downloads, and the structure of the files is checked here.
CIFAR, SVHN and CelebA's list have a checksum that is checked whenever they are read.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.core.errors import DataWarning
from ebmood.data.images.idx_files import idx_parts
from ebmood.data.images.readers import (
    UNREADABLE,
    CorruptDataError,
    MissingDataError,
    Part,
    Parts,
    Pictures,
    array_pictures,
    opened,
    reason,
    vision,
)


@dataclass(frozen=True)
class Official:
    """A set of torchvision.

    Attributes:
        torchvision: its class in `torchvision.datasets`.
        megabytes: of the download.
        place: its files, seen from the data folder, for messages.
        find: data folder -> the parts that are there.
        downloads: the arguments of torchvision's class that download all that is read here, one call each.
    """

    torchvision: str
    megabytes: int
    place: str
    find: Callable[[Path], Parts]
    downloads: tuple[dict[str, Any], ...] = ({},)

    def download(self, data: Path) -> None:
        """Let torchvision fetch the set into the folder `data`, and check it where it does.

        Raises:
            MissingDataError: it cannot be fetched; the message says what to put where.
            CorruptDataError: what came has a wrong checksum.

        Warns:
            DataWarning: how large the download is, before it starts.
        """
        datasets = vision("torchvision.datasets")
        what = f"{self.torchvision} (about {self.megabytes} MB)"
        warnings.warn(f"downloading {what} to {data}", DataWarning, stacklevel=2)
        try:
            for arguments in self.downloads:
                getattr(datasets, self.torchvision)(str(data), download=True, **arguments)
        except (OSError, RuntimeError, HTTPException, ImportError, *UNREADABLE) as error:
            place = data / self.place
            if "corrupted" in str(error):  # torchvision's word for a wrong checksum
                raise CorruptDataError(
                    f"{self.torchvision}: what was downloaded has a wrong checksum ({reason(error)}); try again, or "
                    f"put its files at {place}"
                ) from error
            raise MissingDataError(
                f"{self.torchvision}: the download failed ({reason(error)}); connect, or put its files at {place}"
            ) from error


def _mnist_like(name: str) -> Callable[[Path], Parts]:
    def find(data: Path) -> Parts:
        folder = data / name / "raw"
        found = idx_parts(folder, {"train": ("train",), "test": ("t10k",)})

        def named(part: Part) -> Part:
            def read() -> Pictures:
                pictures = part.read()
                classes = np.array(getattr(vision("torchvision.datasets"), name).classes)
                if pictures.labels is None:
                    return pictures
                return Pictures(pictures.count, pictures.picture, classes[pictures.labels.astype(int)])

            return Part(part.where, part.files, read)

        return found.each(named)

    return find


def _cifar(name: str, folder_name: str) -> Callable[[Path], Parts]:
    def find(data: Path) -> Parts:
        folder = data / folder_name
        if not folder.is_dir():
            return Parts(None, None)
        files = tuple(sorted(path for path in folder.iterdir() if path.is_file()))

        def part(train: bool) -> Part:
            def read() -> Pictures:
                kind = getattr(vision("torchvision.datasets"), name)
                named = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
                for file, md5 in named:
                    _check(folder / file, md5)
                whole = kind(str(data), train=train)
                return array_pictures(whole.data, np.array(whole.classes)[whole.targets])

            return Part(f"{folder} ({'train' if train else 'test'})", files, read)

        return Parts(part(True), part(False))

    return find


def _find_svhn(data: Path) -> Parts:
    def part(name: str) -> Part | None:
        path = data / f"{name}_32x32.mat"

        def read() -> Pictures:
            svhn = vision("torchvision.datasets").SVHN
            _check(path, svhn.split_list[name][2])
            whole = svhn(str(data), split=name)
            return array_pictures(whole.data.transpose(0, 2, 3, 1), whole.labels.astype(str))

        return Part(str(path), (path,), read) if path.is_file() else None

    return Parts(part("train"), part("test"))


def _find_textures(data: Path) -> Parts:
    base = data / "dtd" / "dtd"

    def part(name: str) -> Part | None:
        listing = base / "labels" / f"{name}1.txt"
        if not listing.is_file():
            return None
        names = listing.read_text(encoding="utf-8").split()
        files = [base / "images" / line for line in names]
        labels = np.array([line.partition("/")[0] for line in names])
        # The listing and the folder of images stand for 1,880 files.
        return Part(
            where=f"{base} ({name})",
            files=(listing, base / "images"),
            read=lambda: Pictures(len(files), lambda i: opened(files[i], str(files[i])), labels),
            mixed=True,
        )

    return Parts(part("train"), part("test"))


def _find_celeba(data: Path) -> Parts:
    base = data / "celeba"
    listing, images = base / "list_eval_partition.txt", base / "img_align_celeba"
    if not (listing.is_file() and images.is_dir()):
        return Parts(None, None)

    def part(name: str, number: str) -> Part:
        def read() -> Pictures:
            celeba = vision("torchvision.datasets").CelebA
            _check(listing, next(md5 for _, md5, file in celeba.file_list if file == listing.name))
            lines = (line.split() for line in listing.read_text(encoding="utf-8").splitlines())
            files = [images / line[0] for line in lines if line[1:] == [number]]
            return Pictures(len(files), lambda i: opened(files[i], str(files[i])))

        return Part(f"{base} ({name})", (listing, images), read)

    return Parts(part("train", "0"), part("test", "2"))


def _check(path: Path, md5: str) -> None:
    if not path.is_file():
        raise MissingDataError(
            f"{path}: no such file; its folder holds only a part of the set, so get it again"
        )
    found = vision("torchvision.datasets.utils").calculate_md5(path)
    if found != md5:
        raise CorruptDataError(
            f"{path}: wrong checksum (MD5 {found}, should be {md5}); delete it and get it again"
        )


OFFICIAL: dict[str, Official] = {
    "fmnist": Official("FashionMNIST", 31, "FashionMNIST/raw", _mnist_like("FashionMNIST")),
    "mnist": Official("MNIST", 12, "MNIST/raw", _mnist_like("MNIST")),
    "kmnist": Official("KMNIST", 21, "KMNIST/raw", _mnist_like("KMNIST")),
    "cifar10": Official("CIFAR10", 171, "cifar-10-batches-py", _cifar("CIFAR10", "cifar-10-batches-py")),
    "cifar100": Official("CIFAR100", 170, "cifar-100-python", _cifar("CIFAR100", "cifar-100-python")),
    "svhn": Official(
        "SVHN", 247, "test_32x32.mat", _find_svhn, downloads=({"split": "test"}, {"split": "train"})
    ),
    "textures": Official("DTD", 626, "dtd/dtd", _find_textures),
    "celeba": Official("CelebA", 1500, "celeba/img_align_celeba", _find_celeba),
}
"""By the name that studies use. `textures` reads the first of DTD's ten partitions, as torchvision does."""
