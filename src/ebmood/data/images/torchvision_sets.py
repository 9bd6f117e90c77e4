"""The data sets of torchvision: location, reading, checksums and download of their files.

The files have the layout of torchvision, with the data folder as its `root`. The IDX files of MNIST, FMNIST and
KMNIST may be gzipped; torchvision checks them after a download, and this package checks their structure. The
checksums of CIFAR, SVHN and the list of CelebA are checked at every reading.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.core.errors import DataWarning, warn
from ebmood.data.images.idx_files import idx_parts
from ebmood.data.images.readers import (
    DECODE_ERRORS,
    CorruptDataError,
    ImageSequence,
    MissingDataError,
    Part,
    Parts,
    images_from_array,
    import_vision,
    open_image,
    short_reason,
)


@dataclass(frozen=True)
class TorchvisionSet:
    """A data set of torchvision.

    Attributes:
        class_name: name of its class in `torchvision.datasets`.
        megabytes: size of the download.
        location: path of its files in the data folder, for messages.
        find: function of the data folder that returns the available parts.
        downloads: arguments of the calls of the class that download all files.
    """

    class_name: str
    megabytes: int
    location: str
    find: Callable[[Path], Parts]
    downloads: tuple[dict[str, Any], ...] = ({},)

    def download(self, data: Path) -> None:
        """Download the set to the folder `data` with torchvision, which checks most files.

        Raises:
            MissingDataError: the download failed; the message says where to put the files.
            CorruptDataError: a downloaded file has a wrong checksum.

        Warns:
            DataWarning: before the download starts, with its size.
        """
        datasets = import_vision("torchvision.datasets")
        message = f"downloading {self.class_name} (about {self.megabytes} MB) to {data}"
        warn(message, DataWarning)
        try:
            for arguments in self.downloads:
                getattr(datasets, self.class_name)(str(data), download=True, **arguments)
        except (OSError, RuntimeError, HTTPException, ImportError, *DECODE_ERRORS) as error:
            location = data / self.location
            if "corrupted" in str(error):  # in torchvision's message for a wrong checksum
                raise CorruptDataError(
                    f"{self.class_name}: the downloaded file has a wrong checksum ({short_reason(error)}); try again, "
                    f"or put its files at {location}"
                ) from error
            raise MissingDataError(
                f"{self.class_name}: the download failed ({short_reason(error)}); connect to the network, or put its "
                f"files at {location}"
            ) from error


def _find_mnist_like(name: str) -> Callable[[Path], Parts]:
    def find(data: Path) -> Parts:
        folder = data / name / "raw"
        parts = idx_parts(folder, {"train": ("train",), "test": ("t10k",)})

        def name_classes(part: Part) -> Part:
            def read() -> ImageSequence:
                images = part.read()
                classes = np.array(getattr(import_vision("torchvision.datasets"), name).classes)
                if images.labels is None:
                    return images
                return ImageSequence(images.count, images.load, classes[images.labels.astype(int)])

            return Part(part.description, part.files, read)

        return parts.map(name_classes)

    return find


def _find_cifar(name: str, folder_name: str) -> Callable[[Path], Parts]:
    def find(data: Path) -> Parts:
        folder = data / folder_name
        if not folder.is_dir():
            return Parts(None, None)
        files = tuple(sorted(path for path in folder.iterdir() if path.is_file()))

        def part(train: bool) -> Part:
            def read() -> ImageSequence:
                cifar = getattr(import_vision("torchvision.datasets"), name)
                meta = (cifar.meta["filename"], cifar.meta["md5"])
                for file, md5 in [*cifar.train_list, *cifar.test_list, meta]:
                    _check_md5(folder / file, md5)
                images = cifar(str(data), train=train)
                return images_from_array(images.data, np.array(images.classes)[images.targets])

            return Part(f"{folder} ({'train' if train else 'test'})", files, read)

        return Parts(part(True), part(False))

    return find


def _find_svhn(data: Path) -> Parts:
    def part(name: str) -> Part | None:
        path = data / f"{name}_32x32.mat"

        def read() -> ImageSequence:
            svhn = import_vision("torchvision.datasets").SVHN
            _check_md5(path, svhn.split_list[name][2])
            images = svhn(str(data), split=name)
            return images_from_array(images.data.transpose(0, 2, 3, 1), images.labels.astype(str))

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
        # The list and the folder identify the content, instead of 1,880 files.
        return Part(
            description=f"{base} ({name})",
            files=(listing, base / "images"),
            read=lambda: ImageSequence(len(files), lambda i: open_image(files[i], str(files[i])), labels),
            mixed=True,
        )

    return Parts(part("train"), part("test"))


def _find_celeba(data: Path) -> Parts:
    base = data / "celeba"
    listing, images = base / "list_eval_partition.txt", base / "img_align_celeba"
    if not (listing.is_file() and images.is_dir()):
        return Parts(None, None)

    def part(name: str, number: str) -> Part:
        def read() -> ImageSequence:
            celeba = import_vision("torchvision.datasets").CelebA
            _check_md5(listing, next(md5 for _, md5, file in celeba.file_list if file == listing.name))
            lines = (line.split() for line in listing.read_text(encoding="utf-8").splitlines())
            files = [images / line[0] for line in lines if line[1:] == [number]]
            return ImageSequence(len(files), lambda i: open_image(files[i], str(files[i])))

        return Part(f"{base} ({name})", (listing, images), read)

    return Parts(part("train", "0"), part("test", "2"))


def _check_md5(path: Path, md5: str) -> None:
    if not path.is_file():
        raise MissingDataError(
            f"{path}: no such file; its folder contains only a part of the set; download it again"
        )
    actual = import_vision("torchvision.datasets.utils").calculate_md5(path)
    if actual != md5:
        raise CorruptDataError(
            f"{path}: wrong checksum (MD5 {actual}, expected {md5}); delete it and download it again"
        )


TORCHVISION_SETS: dict[str, TorchvisionSet] = {
    "fmnist": TorchvisionSet("FashionMNIST", 31, "FashionMNIST/raw", _find_mnist_like("FashionMNIST")),
    "mnist": TorchvisionSet("MNIST", 12, "MNIST/raw", _find_mnist_like("MNIST")),
    "kmnist": TorchvisionSet("KMNIST", 21, "KMNIST/raw", _find_mnist_like("KMNIST")),
    "cifar10": TorchvisionSet(
        "CIFAR10", 171, "cifar-10-batches-py", _find_cifar("CIFAR10", "cifar-10-batches-py")
    ),
    "cifar100": TorchvisionSet(
        "CIFAR100", 170, "cifar-100-python", _find_cifar("CIFAR100", "cifar-100-python")
    ),
    "svhn": TorchvisionSet(
        "SVHN", 247, "test_32x32.mat", _find_svhn, downloads=({"split": "test"}, {"split": "train"})
    ),
    "textures": TorchvisionSet("DTD", 626, "dtd/dtd", _find_textures),
    "celeba": TorchvisionSet("CelebA", 1500, "celeba/img_align_celeba", _find_celeba),
}
"""The data sets by their names in studies. `textures` is the first of the ten partitions of DTD, as in torchvision."""
