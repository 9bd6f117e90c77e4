"""Small image sets in the original file formats of the large ones."""

import gzip
import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx_bytes(values: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, values.ndim)) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.astype(np.uint8).tobytes()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_mnist_like(data: Path, name: str, *, suffix: str = "", count: int = 40, size: int = 28) -> dict:
    """Write `NAME/raw/*` in the layout of torchvision. Return the images and labels of each part."""
    written = {}
    for seed, (part, word) in enumerate({"train": "train", "test": "t10k"}.items()):
        x, y = pixels(count, size, size, seed=seed), np.arange(count) % 10
        write(data / name / "raw" / f"{word}-images-idx3-ubyte{suffix}", idx_bytes(x))
        write(data / name / "raw" / f"{word}-labels-idx1-ubyte{suffix}", idx_bytes(y))
        written[part] = (x, y)
    return written


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_pickle(path: Path, content: dict) -> tuple[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path.name, md5(path)


def write_cifar(data: Path, monkeypatch, name: str, per_file: int = 20) -> dict:
    """Write the pickles of CIFAR-10 or CIFAR-100, and set their checksums in torchvision. Return images and labels."""
    import torchvision.datasets

    kind = getattr(torchvision.datasets, name)
    key = "labels" if name == "CIFAR10" else "fine_labels"
    classes = [f"class-{k}" for k in range(10 if name == "CIFAR10" else 100)]
    result = {}
    for part, files in {"train": kind.train_list, "test": kind.test_list}.items():
        entries, xs, ys = [], [], []
        for seed, (file, _) in enumerate(files):
            x = pixels(per_file, 3, 32, 32, seed=seed + 10 * (part == "test"))
            y = [int(k) for k in np.arange(per_file) % len(classes)]
            entries.append(
                write_pickle(data / kind.base_folder / file, {"data": x.reshape(per_file, -1), key: y})
            )
            xs.append(x)
            ys += y
        monkeypatch.setattr(kind, f"{part}_list", entries)
        result[part] = (np.concatenate(xs), np.array(ys))
    meta = write_pickle(data / kind.base_folder / kind.meta["filename"], {kind.meta["key"]: classes})
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": meta[1]})
    return result


def write_svhn(data: Path, monkeypatch, part: str = "test", count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Write the .mat file of SVHN: pixels `(32, 32, 3, N)` and labels 1 to 10, where 10 is the digit 0."""
    from torchvision.datasets import SVHN

    x, y = pixels(count, 3, 32, 32), np.arange(count) % 10
    data.mkdir(parents=True, exist_ok=True)
    path = data / f"{part}_32x32.mat"
    savemat(path, {"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None].astype(np.uint8)})
    entry = SVHN.split_list[part]
    monkeypatch.setitem(SVHN.split_list, part, [entry[0], entry[1], md5(path)])
    return x, y


def png(values: np.ndarray) -> bytes:
    """Return a PNG file of `(H, W)` or `(H, W, 3)` bytes."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def write_folder(folder: Path, images: dict[str, np.ndarray]) -> Path:
    for name, values in images.items():
        write(folder / name, png(values))
    return folder


def write_zip(path: Path, images: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in images.items():
            archive.writestr(name, png(values))
    return path


def write_textures(base):
    """Write images of DTD and the lists of its first partition, each of which has all images. Return the images."""
    x = {
        f"{kind}/{kind}_{k:04}.png": pixels(1, 20 + k, 30, 3, seed=k)[0]
        for kind in ("dotted", "banded")
        for k in (1, 2)
    }
    for name, values in x.items():
        write(base / "dtd" / "images" / name, png(values))
    for part in ("train", "val", "test"):
        write(base / "dtd" / "labels" / f"{part}1.txt", ("\n".join(x) + "\n").encode())
    return x


def write_celeba(base, monkeypatch):
    """Write six images of CelebA, two for training and three for test, and their list with its checksum."""
    from torchvision.datasets import CelebA

    x = pixels(6, 21, 17, 3)
    for k, values in enumerate(x, start=1):
        write(base / "img_align_celeba" / f"{k:06}.jpg", png(values))  # the content is PNG, which is lossless
    lines = [f"{k:06}.jpg {part}" for k, part in enumerate((0, 0, 1, 2, 2, 2), start=1)]
    listing = write(base / "list_eval_partition.txt", ("\n".join(lines) + "\n").encode())
    file_list = [
        (identifier, md5(listing) if name == listing.name else checksum, name)
        for identifier, checksum, name in CelebA.file_list
    ]
    monkeypatch.setattr(CelebA, "file_list", file_list)
    return x


def write_lmdb(folder, images):
    """Write a database of LSUN."""
    import lmdb

    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=2**24) as database, database.begin(write=True) as transaction:
        for key, values in images.items():
            transaction.put(key.encode(), png(values))
    (folder / "lock.mdb").unlink()  # the original archives do not contain it
