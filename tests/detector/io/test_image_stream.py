import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.image_stream import ImageStream

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.fromarray(np.full((4, 4), 7, dtype=np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.full((6, 4, 3), 9, dtype=np.uint8)).save(tmp_path / "sub" / "a.png")
    return tmp_path


def test_images_are_sorted_and_resized(folder):
    (chunk,) = ImageStream.open(folder).chunks(3, 4)
    assert chunk.names == ["b.png", "sub/a.png"]
    assert chunk.pixels.shape == (2, 3, 4, 4)
    assert chunk.has_colour
    assert np.unique(chunk.pixels).tolist() == [7, 9]


def test_damaged_images_are_an_error_or_are_skipped(folder):
    (folder / "c.png").write_bytes(b"not an image")
    with pytest.raises(EbmoodError, match=r"c\.png.*skip_corrupt=True"):
        list(ImageStream.open(folder).chunks(1, 4))
    stream = ImageStream.open(folder, skip_corrupt=True)
    (chunk,) = stream.chunks(1, 4)
    assert chunk.names == ["b.png", "sub/a.png"]
    assert len(stream.skipped) == 1
    for name in ("b.png", "sub/a.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(EbmoodError, match="none of 3 images can be read"):
        list(ImageStream.open(folder, skip_corrupt=True).chunks(1, 4))


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(EbmoodError, match="contains no images"):
        ImageStream.open(tmp_path)


def test_photos_are_turned_upright(tmp_path):
    from PIL import Image

    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[:4] = 255
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "x.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "b" / "x.png", exif=exif)
    [upright], [turned] = (list(ImageStream.open(tmp_path / name).chunks(3, 8)) for name in "ab")
    np.testing.assert_array_equal(turned.pixels, upright.pixels)


def test_files_of_other_kinds_are_known(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    for name in ("y.heic", "notes.txt", ".hidden", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"")
    stream = ImageStream.open(tmp_path)
    assert stream.names == ("x.png",)
    assert stream.others == ("notes.txt", "y.heic")
