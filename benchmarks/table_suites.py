"""The suites of `benchmarks/tables.py`: one-class tables, ADBench, embeddings, held-out classes, and pixels."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

Loader = Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Task:
    """Training rows, test rows, and which test rows are outliers.

    Attributes:
        suite: name of the suite.
        table: name of the table.
        split: number of the split.
        load: returns `(n, D)`, `(m, D)` and `(m,)` (1 for outliers).
    """

    suite: str
    table: str
    split: int
    load: Loader


def one_class_tables(folder: Path) -> Iterator[Task]:
    """Yield the tables of OddBench and OvRBench: `.npz` files with `train`, `test` and `y`."""

    def load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        data = np.load(path, allow_pickle=False)
        return data["train"].astype(np.float64), data["test"].astype(np.float64), data["y"].astype(int)

    for path in sorted(folder.glob("*.npz")):
        yield Task("tables", path.stem, 0, partial(load, path))


def half_split(
    load: Callable[[], tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a random half of the normal rows, the other half with all outliers, and which of these are outliers."""
    x, y = load()
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train, rest = np.split(normal, [len(normal) // 2])
    test = np.concatenate([rest, np.flatnonzero(y == 1)])
    return x[train], x[test], y[test]


def first_half(
    load: Callable[[], tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first half of the normal rows in file order, and the rest: the protocol of Livernoche et al."""
    x, y = load()
    normal, outliers = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    half = round(len(normal) / 2)  # of two nearest numbers the even one, as in the published splits
    test = np.concatenate([normal[half:], outliers])
    return x[normal[:half]], x[test], y[test]


def load_adbench(path: Path) -> tuple[np.ndarray, np.ndarray]:
    data = np.load(path, allow_pickle=False)
    return data["X"].astype(np.float64), data["y"].astype(int)


def adbench(folder: Path, suite: str, splits: int) -> Iterator[Task]:
    """Yield tables in ADBench's format: `.npz` files with `X` and `y`, which is 1 for outliers."""
    for path in sorted(folder.glob("*.npz")):
        for seed in range(splits):
            yield Task(suite, path.stem, seed, partial(half_split, partial(load_adbench, path), seed))


def held_out_classes(splits: int) -> Iterator[Task]:
    """Yield scikit-learn's tables with each class in turn as the normal one, and all others as outliers."""
    from sklearn import datasets

    def load(source: Callable, normal: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = source(return_X_y=True)
        return x.astype(np.float64), (y != normal).astype(int)

    for name, classes in {"iris": 3, "wine": 3, "breast_cancer": 2, "digits": 10}.items():
        source = getattr(datasets, f"load_{name}")
        for k in range(classes):
            for seed in range(splits):
                yield Task(
                    "held-out", f"{name}-{k}", seed, partial(half_split, partial(load, source, k), seed)
                )


def pixels(folder: Path, splits: int) -> Iterator[Task]:
    """Yield images of 14 x 14 pixels as tables: classes of FMNIST against the others, and MNIST against FMNIST.

    Args:
        folder: holds the IDX files of FashionMNIST (in `FashionMNIST/raw`) and of the test images of MNIST.
        splits: random splits of each table.
    """
    raw = folder / "FashionMNIST" / "raw"
    files = raw / "train-images-idx3-ubyte.gz", raw / "train-labels-idx1-ubyte.gz"
    digits = folder / "mnist-test-images-idx3-ubyte.gz"

    def read(path: Path) -> np.ndarray:
        content = gzip.decompress(path.read_bytes())
        sizes = np.frombuffer(content, ">i4", offset=4, count=content[3])
        return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(sizes)[:12_000]

    def small(images: np.ndarray) -> np.ndarray:
        means = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
        return means.round().reshape(-1, 196).astype(np.float64)

    def load(normal: int | None, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        clothes, labels = small(read(files[0])), read(files[1])
        inside = small(read(digits)) if normal is None else clothes[labels == normal]
        outside = clothes if normal is None else clothes[labels != normal]
        inside, outside = (x[rng.permutation(len(x))] for x in (inside, outside))
        test = np.concatenate([inside[rows : rows + 300], outside[:300]])
        return inside[:rows], test, np.repeat([0, 1], [len(test) - 300, 300])

    for rows in (60, 200, 600):
        for normal in (*range(10), None):
            name = f"mnist-{rows}" if normal is None else f"fmnist-{normal}-{rows}"
            for seed in range(splits):
                yield Task("pixels", name, seed, partial(load, normal, rows, seed))


def published_protocol(folder: Path) -> Iterator[Task]:
    """Yield the tables of ADBench with 1,000 to 50,000 rows, split as the published results were."""
    for path in sorted(folder.glob("*.npz")):
        if 1_000 <= len(load_adbench(path)[1]) <= 50_000:
            yield Task("published", path.stem, 0, partial(first_half, partial(load_adbench, path)))
