import numpy as np
import pytest
from helpers.images import pixels, png, write, write_folder, write_zip

from ebmood.core.errors import EbmoodError
from ebmood.data.images.image_sets import user_parts
from ebmood.data.images.readers import CorruptDataError

GREY, COLOUR = pixels(6, 9, 9), pixels(6, 9, 9, 3)


LABELS = np.array([2, 0, 1, 2, 0, 1])


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


LAYOUTS = {
    "flat": {"1.png": None, "0.png": None},
    "classes": {"b/0.png": "b", "a/0.PNG": "a", "a/1.png": "a"},
    "wrapped": {"set/b/0.png": "b", "set/a/0.png": "a"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pack", [write_folder, write_zip])
def test_images_without_parts(tmp_path, layout, pack):
    images = {name: COLOUR[k] for k, name in enumerate(LAYOUTS[layout])}
    path = pack(tmp_path / "set.zip" if pack is write_zip else tmp_path / "set", images)
    parts = user_parts(path)
    assert parts.test is None
    pixels_, labels = read(parts.train)
    order = sorted(images)
    np.testing.assert_array_equal(pixels_, np.stack([images[name] for name in order]))
    expected = [LAYOUTS[layout][name] for name in order]
    assert labels == (None if None in expected else expected)


@pytest.mark.parametrize("pack", [write_folder, write_zip])
@pytest.mark.parametrize("classes", [True, False])
def test_images_in_parts(tmp_path, pack, classes):
    middle = "cat/" if classes else ""
    names = [f"root/train/{middle}0.png", f"root/val/{middle}1.png", f"root/test/{middle}0.png"]
    images = dict(zip(names, GREY, strict=False))
    parts = user_parts(pack(tmp_path / ("set.zip" if pack is write_zip else "set"), images))
    np.testing.assert_array_equal(read(parts.train)[0], GREY[:2])
    np.testing.assert_array_equal(read(parts.test)[0], GREY[2:3])
    assert read(parts.test)[1] == (["cat"] if classes else None)


def test_hidden_and_other_files_are_skipped(tmp_path):
    folder = write_folder(tmp_path / "set", {"a/0.png": GREY[0], "b/0.png": GREY[1]})
    for name in ("LICENSE.txt", "a/.thumb.png", "__MACOSX/a/0.png", ".cache/0.png"):
        write(folder / name, b"not an image")
    assert read(user_parts(folder).train)[1] == ["a", "b"]


def test_unknown_layouts_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EbmoodError, match=r"empty: contains no images \(files that end in \.png"):
        user_parts(tmp_path / "empty")
    mixed = write_folder(tmp_path / "mixed", {"0.png": GREY[0], "a/1.png": GREY[1]})
    with pytest.raises(
        EbmoodError, match=r"mixed: unknown layout of '0\.png' and 'a/1\.png'; use part/class/image"
    ):
        user_parts(mixed)
    deep = write_zip(tmp_path / "deep.zip", {"a/b/0.png": GREY[0], "c/d/1.png": GREY[1]})
    with pytest.raises(EbmoodError, match=r"deep\.zip: unknown layout of 'a/b/0\.png'"):
        user_parts(deep)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(
        EbmoodError, match=r"a\.txt: neither a folder of images nor a \.zip, \.npz or IDX file"
    ):
        user_parts(tmp_path / "a.txt")


def test_damaged_images_are_errors_with_their_name(tmp_path):
    folder = tmp_path / "set"
    write(folder / "a.png", png(COLOUR[0])[:-30])
    write(folder / "b.jpg", b"GIF? no")
    for k, name in enumerate(["a.png", "b.jpg"]):
        with pytest.raises(
            CorruptDataError,
            match=rf"{name}: not a readable image .*`skip_corrupt: true`, or --skip-corrupt",
        ):
            user_parts(folder).train.read().load(k)
    archive = write_zip(tmp_path / "set.zip", {"a.png": COLOUR[0], "b.png": COLOUR[1]})
    content = bytearray(archive.read_bytes())
    content[60] ^= 0xFF  # in the content of a.png
    archive.write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"set\.zip: a\.png cannot be extracted \(Bad CRC-32"):
        user_parts(archive).train.read().load(0)
    np.testing.assert_array_equal(np.asarray(user_parts(archive).train.read().load(1)), COLOUR[1])
    archive.write_bytes(content[:200])
    with pytest.raises(CorruptDataError, match=r"set\.zip: not a readable zip archive"):
        user_parts(archive)
