import numpy as np
import pytest
from helpers.images import pixels

from ebmood.core.errors import EbmoodError
from ebmood.data.images.image_sets import user_parts
from ebmood.data.images.readers import CorruptDataError

GREY, COLOUR = pixels(6, 9, 9), pixels(6, 9, 9, 3)


LABELS = np.array([2, 0, 1, 2, 0, 1])


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


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
def test_all_shapes_of_images_are_read(tmp_path, x, expected):
    np.savez(tmp_path / "a.npz", X=x, y=LABELS)
    parts = user_parts(tmp_path / "a.npz")
    images, labels = read(parts.train)
    np.testing.assert_array_equal(images, expected)
    assert labels == [str(k) for k in LABELS]
    assert parts.test is None


def test_training_and_test_arrays_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=GREY, x_test=COLOUR[..., 0], y_train=LABELS)
    parts = user_parts(tmp_path / "a.npz")
    np.testing.assert_array_equal(read(parts.test)[0], COLOUR[..., 0])
    assert read(parts.test)[1] is None
    assert read(parts.train)[1] is not None


def test_other_arrays_are_errors(tmp_path):
    np.savez(tmp_path / "names.npz", a=GREY)
    with pytest.raises(
        EbmoodError, match="no array `X`, and no arrays `x_train` and `x_test`; the arrays are a"
    ):
        user_parts(tmp_path / "names.npz")
    np.savez(tmp_path / "floats.npz", X=GREY / 255)
    with pytest.raises(EbmoodError, match="array 'X' is float64; images must be bytes"):
        user_parts(tmp_path / "floats.npz").train.read()
    np.savez(tmp_path / "table.npz", X=GREY[0])
    with pytest.raises(EbmoodError, match=r"array 'X' has shape \(9, 9\); images must be"):
        user_parts(tmp_path / "table.npz").train.read()
    np.savez(tmp_path / "few.npz", X=GREY, y=LABELS[:2])
    with pytest.raises(EbmoodError, match="'y' has 2 labels for 6 images"):
        user_parts(tmp_path / "few.npz").train.read()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "floats.npz").read_bytes()[:700])
    with pytest.raises(CorruptDataError, match=r"cut\.npz: not a readable \.npz file"):
        user_parts(tmp_path / "cut.npz")
