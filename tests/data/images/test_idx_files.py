import numpy as np
import pytest
from helpers.images import idx_bytes, pixels, write

from ebmood.data.images.image_sets import user_parts
from ebmood.data.images.readers import CorruptDataError

GREY, COLOUR = pixels(6, 9, 9), pixels(6, 9, 9, 3)


LABELS = np.array([2, 0, 1, 2, 0, 1])


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("x", [GREY, COLOUR])
def test_images_and_labels_are_read(tmp_path, suffix, x):
    images = write(tmp_path / f"my-images-idx3-ubyte{suffix}", idx_bytes(x))
    parts = user_parts(images)
    assert parts.test is None
    pixels_, labels = read(parts.train)
    np.testing.assert_array_equal(pixels_, x)
    assert labels is None
    write(tmp_path / "my-labels-idx1-ubyte", idx_bytes(LABELS))
    assert read(user_parts(images).train)[1] == [str(k) for k in LABELS]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(GREY)[:-1], "has 501 bytes, but its header requires 502; download it again"),
        (b"hello there", "not an IDX file of bytes"),
        (b"", "not an IDX file of bytes"),
        (b"\x1f\x8b\x08\x00rubbish", "a damaged gzip file"),
        (idx_bytes(LABELS), r"values of shape \(6,\) are not images"),
        (idx_bytes(GREY[:0]), r"values of shape \(0, 9, 9\) are not images"),
    ],
)
def test_damaged_files_are_errors(tmp_path, content, message):
    path = tmp_path / "my-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(CorruptDataError, match=message) as caught:
        user_parts(path).train.read()
    assert str(path) in str(caught.value)


def test_labels_of_another_length_are_errors(tmp_path):
    images = write(tmp_path / "my-images-idx3-ubyte", idx_bytes(GREY))
    write(tmp_path / "my-labels-idx1-ubyte", idx_bytes(LABELS[:5]))
    with pytest.raises(CorruptDataError, match=r"my-labels-idx1-ubyte: labels of shape \(5,\) for 6 images"):
        user_parts(images).train.read()
