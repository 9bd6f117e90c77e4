"""The user's own files: IDX, npz, folders and zips, read as they were written; and what is wrong with others."""

import numpy as np
import pytest
from written_images import idx_bytes, pixels, png, write, write_folder, write_zip

from ebmood.core.errors import EbmoodError
from ebmood.data.images.image_sets import ImageSet, own_parts
from ebmood.data.images.readers import CorruptDataError, MissingDataError

GREY, COLOUR = pixels(6, 9, 9), pixels(6, 9, 9, 3)
LABELS = np.array([2, 0, 1, 2, 0, 1])


def read(part):
    pictures = part.read()
    images = np.stack([np.asarray(pictures.picture(i)) for i in range(pictures.count)])
    return images, None if pictures.labels is None else pictures.labels.tolist()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("x", [GREY, COLOUR])
def test_idx(tmp_path, suffix, x):
    images = write(tmp_path / f"my-images-idx3-ubyte{suffix}", idx_bytes(x))
    parts = own_parts(images)
    assert parts.test is None
    found, labels = read(parts.train)
    np.testing.assert_array_equal(found, x)
    assert labels is None
    write(tmp_path / "my-labels-idx1-ubyte", idx_bytes(LABELS))
    assert read(own_parts(images).train)[1] == [str(k) for k in LABELS]


def test_idx_test_file_brings_its_training_file(tmp_path):
    test = write(tmp_path / "a-test-images-idx3-ubyte.gz", idx_bytes(GREY))
    parts = own_parts(test)
    assert parts.train is None
    np.testing.assert_array_equal(read(parts.test)[0], GREY)
    write(tmp_path / "a-train-images-idx3-ubyte.gz", idx_bytes(GREY[:2]))
    assert len(read(own_parts(test).train)[0]) == 2
    folder = own_parts(write(tmp_path / "raw" / "t10k-images-idx3-ubyte", idx_bytes(GREY)).parent)
    np.testing.assert_array_equal(read(folder.test)[0], GREY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(GREY)[:-1], "holds 501 bytes where its head promises 502; get it again"),
        (b"hello there", "is no IDX file of bytes"),
        (b"", "is no IDX file of bytes"),
        (b"\x1f\x8b\x08\x00rubbish", "a damaged gzip file"),
        (idx_bytes(LABELS), r"values of shape \(6,\) are no images"),
        (idx_bytes(GREY[:0]), r"values of shape \(0, 9, 9\) are no images"),
    ],
)
def test_damaged_idx(tmp_path, content, message):
    path = tmp_path / "my-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(CorruptDataError, match=message) as caught:
        own_parts(path).train.read()
    assert str(path) in str(caught.value)


def test_idx_labels_that_do_not_fit(tmp_path):
    images = write(tmp_path / "my-images-idx3-ubyte", idx_bytes(GREY))
    write(tmp_path / "my-labels-idx1-ubyte", idx_bytes(LABELS[:5]))
    with pytest.raises(CorruptDataError, match=r"my-labels-idx1-ubyte: labels of shape \(5,\) for 6 images"):
        own_parts(images).train.read()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (GREY[:, None], GREY),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
    ],
)
def test_npz(tmp_path, x, expected):
    np.savez(tmp_path / "a.npz", X=x, y=LABELS)
    parts = own_parts(tmp_path / "a.npz")
    images, labels = read(parts.train)
    np.testing.assert_array_equal(images, expected)
    assert labels == [str(k) for k in LABELS]
    assert parts.test is None


def test_npz_with_parts(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=GREY, x_test=COLOUR[..., 0], y_train=LABELS)
    parts = own_parts(tmp_path / "a.npz")
    np.testing.assert_array_equal(read(parts.test)[0], COLOUR[..., 0])
    assert read(parts.test)[1] is None
    assert read(parts.train)[1] is not None


def test_npz_that_holds_no_images(tmp_path):
    np.savez(tmp_path / "names.npz", a=GREY)
    with pytest.raises(EbmoodError, match="no array `X`, nor `x_train` and `x_test`; the arrays are a"):
        own_parts(tmp_path / "names.npz")
    np.savez(tmp_path / "floats.npz", X=GREY / 255)
    with pytest.raises(EbmoodError, match="array 'X' is float64; images must be bytes"):
        own_parts(tmp_path / "floats.npz").train.read()
    np.savez(tmp_path / "table.npz", X=GREY[0])
    with pytest.raises(EbmoodError, match=r"array 'X' has shape \(9, 9\); images are"):
        own_parts(tmp_path / "table.npz").train.read()
    np.savez(tmp_path / "few.npz", X=GREY, y=LABELS[:2])
    with pytest.raises(EbmoodError, match="'y' has 2 labels for 6 images"):
        own_parts(tmp_path / "few.npz").train.read()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "floats.npz").read_bytes()[:700])
    with pytest.raises(CorruptDataError, match=r"cut\.npz: is no \.npz file that can be read"):
        own_parts(tmp_path / "cut.npz")


LAYOUTS = {
    "flat": {"1.png": None, "0.png": None},
    "classes": {"b/0.png": "b", "a/0.PNG": "a", "a/1.png": "a"},
    "wrapped": {"set/b/0.png": "b", "set/a/0.png": "a"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pack", [write_folder, write_zip])
def test_files_without_parts(tmp_path, layout, pack):
    images = {name: COLOUR[k] for k, name in enumerate(LAYOUTS[layout])}
    place = pack(tmp_path / "set.zip" if pack is write_zip else tmp_path / "set", images)
    parts = own_parts(place)
    assert parts.test is None
    found, labels = read(parts.train)
    order = sorted(images)
    np.testing.assert_array_equal(found, np.stack([images[name] for name in order]))
    expected = [LAYOUTS[layout][name] for name in order]
    assert labels == (None if None in expected else expected)


@pytest.mark.parametrize("pack", [write_folder, write_zip])
@pytest.mark.parametrize("classes", [True, False])
def test_files_in_parts(tmp_path, pack, classes):
    middle = "cat/" if classes else ""
    names = [f"root/train/{middle}0.png", f"root/val/{middle}1.png", f"root/test/{middle}0.png"]
    images = dict(zip(names, GREY, strict=False))
    parts = own_parts(pack(tmp_path / ("set.zip" if pack is write_zip else "set"), images))
    np.testing.assert_array_equal(read(parts.train)[0], GREY[:2])
    np.testing.assert_array_equal(read(parts.test)[0], GREY[2:3])
    assert read(parts.test)[1] == (["cat"] if classes else None)


def test_hidden_and_other_files_are_passed_over(tmp_path):
    folder = write_folder(tmp_path / "set", {"a/0.png": GREY[0], "b/0.png": GREY[1]})
    for name in ("LICENSE.txt", "a/.thumb.png", "__MACOSX/a/0.png", ".cache/0.png"):
        write(folder / name, b"no image")
    assert read(own_parts(folder).train)[1] == ["a", "b"]


def test_layouts_that_cannot_be_understood(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EbmoodError, match=r"empty: holds no images \(files that end in \.png"):
        own_parts(tmp_path / "empty")
    mixed = write_folder(tmp_path / "mixed", {"0.png": GREY[0], "a/1.png": GREY[1]})
    with pytest.raises(EbmoodError, match=r"mixed: '0\.png' and 'a/1\.png' do not fit one layout"):
        own_parts(mixed)
    deep = write_zip(tmp_path / "deep.zip", {"a/b/0.png": GREY[0], "c/d/1.png": GREY[1]})
    with pytest.raises(EbmoodError, match=r"deep\.zip: 'a/b/0\.png' do not fit one layout"):
        own_parts(deep)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(
        EbmoodError, match=r"a\.txt: is neither a folder of images nor a \.zip, \.npz or IDX file"
    ):
        own_parts(tmp_path / "a.txt")


def test_damaged_images_are_named(tmp_path):
    folder = tmp_path / "set"
    write(folder / "a.png", png(COLOUR[0])[:-30])
    write(folder / "b.jpg", b"GIF? no")
    for k, name in enumerate(["a.png", "b.jpg"]):
        with pytest.raises(
            CorruptDataError,
            match=rf"{name}: is no image that can be read .*`skip_corrupt: true`, or --skip-corrupt",
        ):
            own_parts(folder).train.read().picture(k)
    archive = write_zip(tmp_path / "set.zip", {"a.png": COLOUR[0], "b.png": COLOUR[1]})
    content = bytearray(archive.read_bytes())
    content[60] ^= 0xFF  # inside a.png
    archive.write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"set\.zip: a\.png cannot be unpacked \(Bad CRC-32"):
        own_parts(archive).train.read().picture(0)
    np.testing.assert_array_equal(np.asarray(own_parts(archive).train.read().picture(1)), COLOUR[1])
    archive.write_bytes(content[:200])
    with pytest.raises(CorruptDataError, match=r"set\.zip: is no zip archive that can be read"):
        own_parts(archive)


def test_known_sets_are_found_by_their_name(tmp_path):
    with pytest.raises(
        MissingDataError, match=r"notmnist is not under .*; put there notmnist/ \(a folder of images\)"
    ):
        ImageSet(set="notmnist").find(tmp_path)
    write(tmp_path / "notmnist-test-images-idx3-ubyte.gz", idx_bytes(GREY))
    np.testing.assert_array_equal(read(ImageSet(set="notmnist").find(tmp_path).test)[0], GREY)
    write_zip(tmp_path / "cifar10-tiny.zip", {"train/a/0.png": COLOUR[0], "test/a/0.png": COLOUR[1]})
    np.testing.assert_array_equal(read(ImageSet(set="cifar10").find(tmp_path).test)[0], COLOUR[1:2])
    with pytest.raises(MissingDataError, match="cifar100 is not under"):
        ImageSet(set="cifar100").find(tmp_path)
    write_folder(tmp_path / "lsun", {"room/0.png": COLOUR[0], "room/1.png": GREY[0]})
    assert ImageSet(set="lsun").find(tmp_path).train.mixed
    np.savez(tmp_path / "notmnist.npz", X=GREY)
    with pytest.raises(
        EbmoodError, match=r"both notmnist\.npz and notmnist-test-images-idx3-ubyte\.gz could be"
    ):
        ImageSet(set="notmnist").find(tmp_path)


def test_words_and_paths():
    assert ImageSet.model_validate("svhn") == ImageSet(set="svhn")
    assert ImageSet.model_validate("my/pumps.v2.zip").title == "pumps"
    assert ImageSet(set="fmnist", colourised=True).title == "fmnist-colourised"
    assert ImageSet(path="a.zip", name="b").title == "b"
    with pytest.raises(ValueError, match="either a `set` or a `path`"):
        ImageSet(set="svhn", path="a.zip")


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(
        MissingDataError, match=r"kmnst: no such file or folder \(known sets are fmnist, mnist"
    ):
        ImageSet.model_validate("kmnst").find(tmp_path)


def test_colourised_is_two_colours_linearly_between_and_the_same_each_time(tmp_path):
    ramp = np.tile(np.arange(0, 256, 17, dtype=np.uint8), (3, 16, 1))
    np.savez(tmp_path / "g.npz", X=ramp)
    chosen = ImageSet(path="g.npz", colourised=True)
    images, _ = read(chosen.find(tmp_path).train)
    assert images.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(images, read(chosen.find(tmp_path).train)[0])
    for image in images.astype(float):
        line = image[0]
        between = np.linspace(0, 1, 16)[:, None]
        np.testing.assert_allclose(line, line[0] + (line[-1] - line[0]) * between, atol=0.51)
        assert abs(line[-1] - line[0]).max() > 20
    assert len({image[0, 0].tobytes() for image in images}) == 3
