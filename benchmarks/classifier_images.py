"""In-distribution and OOD images of the classifier benchmark. Every array is bytes `(N, C, S, S)`.

Two data sets: `fmnist` (28 x 28, grey) and `cifar10` (32 x 32, colour, from a zip file of photos). Run s holds out the
classes 2s and 2s + 1: they are near OOD, and five runs hold out each class once. Far OOD are images of other kinds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from ebmood.data.images.idx_files import read_idx

RUNS = 5
FAR_ROWS = 1000
CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """Images and their classes, 0..9."""

    x: np.ndarray
    y: np.ndarray

    def of(self, classes: list[int]) -> "Labelled":
        """Return the images of some classes, which are numbered by their position in `classes`."""
        numbers = np.full(10, -1)
        numbers[classes] = np.arange(len(classes))
        chosen = numbers[self.y] >= 0
        return Labelled(self.x[chosen], numbers[self.y[chosen]])


@dataclass(frozen=True)
class Run:
    """The images of one run.

    Attributes:
        train: for the training of the classifier.
        held_out: a tenth of the training images, which the classifier does not see.
        test: the official test images of the classes that are not held out.
        near: the official test images of the two classes that are held out.
    """

    train: Labelled
    held_out: Labelled
    test: Labelled
    near: np.ndarray


def load(name: str, data: Path) -> tuple[Labelled, Labelled]:
    """Return the training and the test images of `fmnist` or `cifar10`."""
    if name == "fmnist":
        raw = data / "FashionMNIST" / "raw"

        def part(prefix: str) -> Labelled:
            images = read_idx(raw / f"{prefix}-images-idx3-ubyte.gz")
            return Labelled(images[:, None], read_idx(raw / f"{prefix}-labels-idx1-ubyte.gz").astype(int))

        return part("train"), part("t10k")
    with ZipFile(next(data.glob("cifar10*.zip"))) as photos:
        return _photos(photos, "train"), _photos(photos, "test")


def split(train: Labelled, test: Labelled, run: int) -> Run:
    near = [2 * run, 2 * run + 1]
    kept = [k for k in range(10) if k not in near]
    rows, test_rows = train.of(kept), test.of(kept)
    order = np.random.default_rng(run).permutation(len(rows.x))
    held_out, training = order[: len(order) // 10], order[len(order) // 10 :]
    return Run(
        Labelled(rows.x[training], rows.y[training]),
        Labelled(rows.x[held_out], rows.y[held_out]),
        test_rows,
        test.of(near).x,
    )


def far_sets(name: str, data: Path) -> dict[str, np.ndarray]:
    """Return the far OOD sets: other images, resized to the shape of the data set, and images made by code."""
    channels, size = (1, 28) if name == "fmnist" else (3, 32)
    rng = np.random.default_rng(0)
    mnist = read_idx(data / "mnist-test-images-idx3-ubyte.gz")[:FAR_ROWS]
    notmnist = read_idx(data / "notmnist-test-images-idx3-ubyte.gz")[:FAR_ROWS]
    if channels == 1:
        photos = load("cifar10", data)[1].x
        chosen = photos[rng.permutation(len(photos))[:FAR_ROWS]]
        natural = {"mnist": mnist[:, None], "notmnist": notmnist[:, None], "photos": _grey(chosen, size)}
    else:
        fashion = load("fmnist", data)[1].x[:FAR_ROWS, 0]
        natural = {
            f"{title}-colourised": _colourised(_resized(images, size), rng)
            for title, images in (("mnist", mnist), ("notmnist", notmnist), ("fmnist", fashion))
        }
    shape = (FAR_ROWS, channels, size, size)
    gaussian = np.clip(np.rint(127.5 + 60 * rng.standard_normal(shape)), 0, 255).astype(np.uint8)
    return natural | {
        "uniform noise": rng.integers(0, 256, shape, dtype=np.uint8),
        "gaussian noise": gaussian,
        "textures": textures(FAR_ROWS, channels, size, rng),
    }


def textures(rows: int, channels: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return textures: gratings, checks, dots, and noise with a power-law spectrum, in two random colours."""
    images = np.stack([_texture(kind, size, rng) for kind in rng.integers(0, 4, rows)])
    if channels == 1:
        low, high = np.sort(rng.uniform(0, 255, (2, rows, 1, 1)), axis=0)
        return (low + images * (high - low)).astype(np.uint8)[:, None]
    return _colourised(np.rint(images * 255).astype(np.uint8), rng)


def _texture(kind: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return one texture `(size, size)` in [0, 1]."""
    row, column = np.mgrid[:size, :size]
    angle, period, phase = rng.uniform(0, np.pi), rng.uniform(3, size / 2), rng.uniform(0, 2 * np.pi)
    along = row * np.sin(angle) + column * np.cos(angle)
    across = row * np.cos(angle) - column * np.sin(angle)
    if kind == 0:
        return 0.5 + 0.5 * np.sin(2 * np.pi * along / period + phase)
    if kind == 1:
        return ((np.floor(along / period) + np.floor(across / period)) % 2).astype(float)
    if kind == 2:
        return (np.hypot(along % period - period / 2, across % period - period / 2) < period / 4).astype(
            float
        )
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((size, size))) * frequency ** -rng.uniform(0.5, 2)
    image = np.fft.ifft2(spectrum).real
    return (image - image.min()) / np.ptp(image)


def _photos(photos: ZipFile, part: str) -> Labelled:
    from PIL import Image

    names = sorted(
        name for name in photos.namelist() if name.startswith(f"{part}/") and name.endswith(".jpg")
    )
    images = [np.asarray(Image.open(BytesIO(photos.read(name))).convert("RGB")) for name in names]
    classes = [CIFAR_CLASSES.index(name.split("/")[1]) for name in names]
    return Labelled(np.stack(images).transpose(0, 3, 1, 2).copy(), np.array(classes))


def _grey(photos: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    grey = (Image.fromarray(photo.transpose(1, 2, 0)).convert("L") for photo in photos)
    return _resized(np.stack([np.asarray(image) for image in grey]), size)[:, None]


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    resized = (Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in images)
    return np.stack([np.asarray(image) for image in resized])


def _colourised(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return grey images `(N, S, S)` in two random colours each, `(N, 3, S, S)`."""
    background, foreground = rng.uniform(0, 255, (2, len(images), 3, 1, 1))
    grey = images[:, None] / 255
    return np.rint(background + grey * (foreground - background)).astype(np.uint8)


def batches(x: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(x), size):
        yield x[start : start + size]
