import numpy as np
import pytest
from helpers.images import (
    idx_bytes,
    pixels,
    png,
    write,
    write_cifar,
    write_folder,
    write_mnist_like,
    write_svhn,
    write_zip,
)
from pydantic import ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.data import CIFAR10, FMNIST, Images
from ebmood.data.images import image_probes, image_split
from ebmood.data.images.readers import CorruptDataError, MissingDataError


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Set the data folder and the cache folder, and return the data folder."""
    monkeypatch.setenv("EBMOOD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture
def fmnist(data):
    """Write all of FMNIST and the test images of MNIST and NotMNIST. Return the images."""
    written = write_mnist_like(data, "FashionMNIST", suffix=".gz", size=32)
    for seed, name in enumerate(("mnist", "notmnist")):
        x = pixels(20, 32, 32, seed=7 + seed)
        write(data / f"{name}-test-images-idx3-ubyte.gz", idx_bytes(x))
        written[name] = x
    return written


def test_a_missing_natural_set_is_an_error_or_noted(fmnist):
    with pytest.raises(
        MissingDataError,
        match=r"kmnist was not found in .*; or continue without it: `missing: note`, or --skip-missing",
    ):
        FMNIST().load()
    dataset = FMNIST(missing="note").load()
    assert dataset.name == "fmnist"
    np.testing.assert_array_equal(dataset.x[:, 0], fmnist["train"][0])
    np.testing.assert_array_equal(dataset.test_x[:, 0], fmnist["test"][0])
    names = np.array(dataset.classes)
    assert names[dataset.y[:3]].tolist() == ["T-shirt/top", "Trouser", "Pullover"]
    np.testing.assert_array_equal(dataset.test_y, dataset.y)
    assert list(dataset.natural) == ["mnist", "notmnist"]
    np.testing.assert_array_equal(dataset.natural["notmnist"][:, 0], fmnist["notmnist"])
    assert dataset.absent == {"kmnist": "kmnist was not found in the data folder"}
    assert dataset.notes == ("natural set kmnist is absent: kmnist was not found in the data folder",)
    assert dataset.stand_ins == ()
    split = FMNIST(missing="note").split(dataset, 0)
    assert "mnist-unscaled" in [ood.name for ood in split.test_ood]


def test_fmnist_with_all_natural_sets(fmnist, data):
    x = write_mnist_like(data, "KMNIST", size=32)["test"][0]
    dataset = FMNIST().load()
    assert list(dataset.natural) == ["mnist", "notmnist", "kmnist"]
    split = FMNIST().split(dataset, 0)
    unscaled = next(ood for ood in split.test_ood if ood.name == "kmnist-unscaled").x
    rows = {row.tobytes() for row in x}
    assert {row.astype(np.uint8).tobytes() for row in unscaled} <= rows


def test_the_notes_of_a_small_set_say_how_it_was_reduced(fmnist):
    dataset = FMNIST(missing="note", size=16, train_rows=18, test_rows=9).load()
    assert dataset.name == "fmnist-small"
    assert dataset.notes[0] == (
        "small: 16 x 16 pixels instead of 32 x 32; at most 18 training images; at most 9 images per test set"
    )
    assert dataset.x.shape == (40, 1, 16, 16)
    assert FMNIST(missing="note", size=16, name="mine").load().name == "mine"


def test_held_out_classes_and_colourised_sets_replace_natural_sets(fmnist, data):
    classes = ("bird", "cat", "truck")
    images = {
        f"{part}/{name}/{k}.png": pixels(1, 32, 32, 3, seed=seed)[0]
        for seed, (part, name, k) in enumerate(
            (part, name, k)
            for part, count in (("train", 12), ("test", 5))
            for name in classes
            for k in range(count)
        )
    }
    write_zip(data / "cifar10-tiny.zip", images)
    source = CIFAR10(hold_out=("truck",), natural=({"set": "fmnist", "colourised": True},))
    dataset = source.load()
    assert dataset.name == "cifar-10-small"
    assert dataset.classes == ("bird", "cat")
    held_out = [
        images[name]
        for part in ("train", "test")
        for name in sorted(images)
        if name.startswith(f"{part}/truck")
    ]
    np.testing.assert_array_equal(dataset.natural["truck"], np.stack(held_out).transpose(0, 3, 1, 2))
    test_images = [
        values for name, values in sorted(images.items()) if name.startswith("test/") and "truck" not in name
    ]
    np.testing.assert_array_equal(dataset.test_x, np.stack(test_images).transpose(0, 3, 1, 2))
    assert dataset.test_y.tolist() == [0] * 5 + [1] * 5
    assert dataset.y.tolist() == [0] * 12 + [1] * 12
    assert dataset.natural["fmnist-colourised"].shape == (40, 3, 32, 32)
    assert dataset.stand_ins == ("truck", "fmnist-colourised")
    assert dataset.notes == (
        "small: truck held out; not the official files",
        "fmnist-colourised replaces a natural set of the paper",
        "held-out classes replace natural sets of the paper: truck",
    )
    split = source.split(dataset, 0)
    assert split.classes == 2
    assert "truck-unscaled" in [ood.name for ood in split.test_ood]


def test_official_cifar_has_no_notes(data, monkeypatch):
    written = write_cifar(data, monkeypatch, "CIFAR10")
    write_svhn(data, monkeypatch)
    dataset = CIFAR10(natural=("svhn",)).load()
    assert dataset.name == "cifar-10"
    np.testing.assert_array_equal(dataset.x, written["train"][0])
    np.testing.assert_array_equal(dataset.y, written["train"][1])
    assert dataset.notes == ()
    assert dataset.stand_ins == ()


def test_natural_sets_get_the_shape_of_the_in_distribution_set(data):
    write_folder(data / "pumps", {f"{k}.png": pixels(1, 40, 30, seed=k)[0] for k in range(12)})
    write_folder(data / "lsun", {"a.png": pixels(1, 50, 60, 3)[0], "b.png": pixels(1, 8, 8)[0]})
    np.savez(data / "own.npz", X=pixels(6, 9, 9, 3))
    dataset = Images(id="pumps", natural=("lsun", "own.npz"), size=12).load()
    assert dataset.name == "pumps"
    assert dataset.x.shape == (12, 1, 12, 12)
    assert (dataset.y, dataset.classes, dataset.test_x) == (None, (), None)
    assert {name: x.shape for name, x in dataset.natural.items()} == {
        "lsun": (2, 1, 12, 12),
        "own": (6, 1, 12, 12),
    }
    assert dataset.stand_ins == ()
    split = Images(id="pumps", natural=("own.npz",), size=12).split(
        Images(id="pumps", natural=("own.npz",), size=12).load(), 0
    )
    assert split.test_y is None
    assert "own-unscaled" in [ood.name for ood in split.test_ood]


def test_the_digest_depends_on_pixels_and_settings_and_not_on_paths(data, fmnist, tmp_path):
    def digest(**settings):
        return FMNIST(**({"missing": "note"} | settings)).load().digest()

    first = digest()
    assert digest() == first
    data.rename(tmp_path / "moved")
    assert digest(data=str(tmp_path / "moved"), cache=str(tmp_path / "other")) == first
    moved = {"data": str(tmp_path / "moved")}
    changed = [
        digest(**moved, size=16),
        digest(**moved, train_rows=20),
        digest(**moved, test_rows=20),
        digest(**moved, hold_out=("Bag",)),
        digest(**moved, natural=("mnist",)),
        digest(**moved, unscaled="notmnist"),
    ]
    x = fmnist["mnist"].copy()
    x[3, 4, 5] ^= 1
    write(tmp_path / "moved" / "mnist-test-images-idx3-ubyte.gz", idx_bytes(x))
    changed.append(digest(**moved))
    assert len({first, *changed}) == 8


def test_corrupt_files_are_errors_or_make_the_set_absent(data, fmnist):
    notmnist = data / "notmnist-test-images-idx3-ubyte.gz"
    notmnist.write_bytes(notmnist.read_bytes()[:-100])
    with pytest.raises(CorruptDataError, match=r"notmnist-test-images-idx3-ubyte\.gz: a damaged gzip file"):
        FMNIST(missing="note").load()
    dataset = FMNIST(missing="note", skip_corrupt=True).load()
    assert list(dataset.natural) == ["mnist"]
    assert dataset.absent["notmnist"].startswith("notmnist-test-images-idx3-ubyte.gz: a damaged gzip file (")
    train = data / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    train.write_bytes(train.read_bytes()[:-100])
    with pytest.raises(CorruptDataError, match="train-images-idx3-ubyte"):
        FMNIST(missing="note", skip_corrupt=True).load()


def test_corrupt_images_are_counted_in_the_notes(data):
    write_folder(data / "set", {f"{'ab'[k % 2]}/{k:02}.png": pixels(1, 8, 8, seed=k)[0] for k in range(20)})
    write(data / "set" / "a" / "04.png", png(pixels(1, 8, 8)[0])[:50])
    with pytest.raises(CorruptDataError, match=r"a/04\.png: not a readable image .* `skip_corrupt: true`"):
        Images(id="set", size=8).load()
    dataset = Images(id="set", size=8, skip_corrupt=True).load()
    assert len(dataset.x) == len(dataset.y) == 19
    assert dataset.notes[0].startswith("1 damaged image left out (set/a/04.png: not a readable image (")
    assert str(data) not in dataset.notes[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"id": "fmnist", "hold_out": ["Sock"]},
            r"no class 'Sock' to hold out; .* \(correct `hold_out`\)",
        ),
        ({"id": "set", "hold_out": ["a", "b"]}, "set: all classes are held out; leave at least one"),
        (
            {"id": "flat", "hold_out": ["a"]},
            "flat: the images have no labels, which `hold_out` needs",
        ),
        (
            {"id": "set", "natural": ["flat", "flat"]},
            "two natural OOD sets have the name 'flat'; set another",
        ),
        (
            {"id": "set", "natural": [{"path": "flat", "name": "a"}], "hold_out": ["a"]},
            "two natural OOD sets have the name 'a'",
        ),
        ({"id": "mnist"}, "mnist: .* contains only the test part; add the training part to this folder"),
        ({"id": "svhn"}, "svhn was not found in"),
        ({"id": "missing.zip"}, r"missing\.zip: no such file or folder"),
    ],
)
def test_wrong_settings_are_errors_of_one_line(data, fmnist, settings, message):
    write_folder(data / "set", {f"{'ab'[k % 2]}/{k}.png": pixels(1, 8, 8, seed=k)[0] for k in range(10)})
    write_folder(data / "flat", {"0.png": pixels(1, 8, 8)[0]})
    with pytest.raises(EbmoodError, match=message) as caught:
        Images.model_validate(settings).load()
    assert "\n" not in str(caught.value)


def test_settings_out_of_range_are_errors():
    for settings in (
        {"test_rows": 10_001},
        {"size": 3},
        {"train_rows": 0},
        {"missing": "ignore"},
        {"id": {"set": "imagenet"}},
    ):
        with pytest.raises(ValidationError):
            FMNIST.model_validate(settings)


def test_parts_with_different_classes_have_common_numbers(data):
    train = {f"train/{name}/{k}.png": pixels(1, 8, 8, seed=k)[0] for name in ("10", "9") for k in range(6)}
    test = {"test/9/0.png": pixels(1, 8, 8, seed=50)[0], "test/2/0.png": pixels(1, 8, 8, seed=51)[0]}
    write_folder(data / "set", train | test)
    dataset = Images(id="set", size=8).load()
    assert dataset.classes == ("2", "9", "10")
    assert dataset.y.tolist() == [2] * 6 + [1] * 6
    assert dataset.test_y.tolist() == [0, 1]


def test_versions_are_those_of_images():
    assert FMNIST().versions() == (image_split.SPLIT_VERSION, image_probes.PROBES_VERSION)
