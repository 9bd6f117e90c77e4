"""Images as inputs: the normalisation, the classes of subfolders, and values that cannot be used."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ebmood.classifiers.classifier_rows import ImageInput, ImageRows

Image = pytest.importorskip("PIL.Image")


def test_bytes_become_numbers_of_the_normalisation():
    inputs = ImageInput(size=2, mean=(0.5,), std=(0.25,)).inputs(
        np.array([[[[0, 255], [51, 102]]]], np.uint8)
    )
    torch.testing.assert_close(inputs, torch.tensor([[[[-2.0, 2.0], [-1.2, -0.4]]]]))


@pytest.mark.parametrize(
    "values",
    [
        {"mean": (0.5,)},
        {"std": (1.0, 0.0, 1.0)},
        {"size": 0},
        {"rule": "another"},
        {"mean": (float("nan"),) * 3},
    ],
)
def test_values_that_cannot_be_used(values):
    with pytest.raises(ValidationError):
        ImageInput(**{"size": 8, **values})


def write(path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(path)


def test_subfolders_are_classes_in_alphabetical_order(tmp_path):
    for k, name in enumerate(("b/1.png", "a/2.png", "b/0.png")):
        write(tmp_path / name, 85 * k)
    rows = ImageRows.open(tmp_path, ImageInput(size=4, mean=(0.0,), std=(1.0,)), skip_corrupt=False)
    batches = list(rows.batches(True, batch_size=2))
    assert rows.classes == ("a", "b")
    assert [y.tolist() for _, y in batches] == [[0, 1], [1]]
    assert rows.names == ["a/2.png", "b/0.png", "b/1.png"]
    assert [round(float(value), 3) for x, _ in batches for value in x.amax((1, 2, 3))] == [0.333, 0.667, 0]


def test_images_outside_of_subfolders_have_no_classes(tmp_path):
    write(tmp_path / "1.png", 0)
    rows = ImageRows.open(tmp_path, ImageInput(size=4, mean=(0.0,), std=(1.0,)), skip_corrupt=False)
    assert rows.classes is None
    (batch,) = rows.batches(True)
    assert isinstance(batch, torch.Tensor)
