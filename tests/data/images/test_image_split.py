from dataclasses import replace

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data import Dataset, Split
from ebmood.data.images.image_split import split_images


def numbered(count: int, start: int = 0) -> np.ndarray:
    """Return images that contain their number in two bytes."""
    numbers = np.arange(start, start + count)
    x = np.zeros((count, 1, 8, 8), dtype=np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = numbers % 256, numbers // 256
    return x


def numbers(x: np.ndarray) -> np.ndarray:
    return x[:, 0, 0, 0].astype(int) + 256 * x[:, 0, 0, 1].astype(int)


def dataset(official=True, **changes) -> Dataset:
    """Return 600 training images, 100 test images with numbers from 1000, and natural sets of 50 and 20 images."""
    x, test_x = numbered(600), numbered(100, 1000)
    result = Dataset(
        name="tiny",
        x=x,
        y=numbers(x) % 3,
        classes=("a", "b", "c"),
        natural={"first": numbered(50, 2000), "second": numbered(20, 3000)},
        features=(),
        source="numbers",
        notes=("a note",),
        test_x=test_x if official else None,
        test_y=numbers(test_x) % 3 if official else None,
    )
    return replace(result, **changes)


def split(
    data: Dataset, seed=0, duplicates="together", train_rows=None, test_rows=10_000, unscaled=None
) -> Split:
    return split_images(data, seed, duplicates, train_rows, test_rows, unscaled)


@pytest.mark.parametrize("duplicates", ["together", "across"])
def test_official_training_and_test_parts(duplicates):
    result = split(dataset(), duplicates=duplicates)
    train, validation, test = (numbers(x) for x in (result.train_x, result.validation_x, result.test_x))
    assert (len(train), len(validation)) == (540, 60)
    assert sorted([*train, *validation]) == list(range(600))
    assert sorted(test) == list(range(1000, 1100))
    for rows, y in ((train, result.train_y), (validation, result.validation_y), (test, result.test_y)):
        np.testing.assert_array_equal(y, rows % 3)
        assert (np.diff(rows) < 0).any()  # in random order, because figures and metrics use the first rows
    assert result.train_x.dtype == np.uint8
    assert (result.classes, result.notes, result.duplicates, result.crossing) == (3, ("a note",), 0, 0)


def test_a_set_without_a_test_part():
    result = split(dataset(official=False))
    parts = [numbers(x) for x in (result.train_x, result.validation_x, result.test_x)]
    assert [len(part) for part in parts] == [480, 60, 60]
    assert sorted(np.concatenate(parts)) == list(range(600))
    np.testing.assert_array_equal(result.test_y, parts[2] % 3)


def test_out_of_distribution_sets():
    result = split(dataset(), unscaled="second")
    assert [ood.name for ood in result.validation_ood] == [
        "first", "second", "uniform", "gaussian", "constant", "second-unscaled",
    ]  # fmt: skip
    low_level = ["shuffled-patches", "shuffled-pixels", "edges", "flat-colour"]
    assert [ood.name for ood in result.test_ood] == [ood.name for ood in result.validation_ood] + low_level
    for k, (count, start) in enumerate(((50, 2000), (20, 3000))):
        validation, test = result.validation_ood[k], result.test_ood[k]
        assert (len(validation.x), len(test.x)) == (count // 5, count * 4 // 5)
        both = np.concatenate([numbers(validation.x), numbers(test.x)])
        assert sorted(both) == list(range(start, start + count))
    for ood in result.test_ood[2:5]:
        assert ood.x.shape == result.test_x.shape
    np.testing.assert_array_equal(result.test_ood[5].x, result.test_ood[1].x.astype(np.float32))
    pixels = next(ood for ood in result.test_ood if ood.name == "shuffled-pixels").x
    np.testing.assert_array_equal(np.sort(pixels.reshape(100, -1)), np.sort(result.test_x.reshape(100, -1)))
    for ood in result.test_ood:
        if ood.name != "second-unscaled":
            assert ood.x.dtype == result.test_x.dtype
            assert ood.x.shape[1:] == result.test_x.shape[1:]


def test_maximum_numbers_of_rows():
    result = split(dataset(), train_rows=90, test_rows=15)
    assert [len(x) for x in (result.train_x, result.validation_x, result.test_x)] == [90, 10, 15]
    assert all(len(ood.x) <= 15 for ood in result.test_ood)
    complete = split(dataset())
    np.testing.assert_array_equal(result.train_x, complete.train_x[:90])
    np.testing.assert_array_equal(result.test_x, complete.test_x[:15])


def test_the_split_depends_on_the_seed():
    first, again, other = split(dataset(), 1), split(dataset(), 1), split(dataset(), 2)
    for name in ("train_x", "validation_x", "test_x", "train_y"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert (getattr(first, name) != getattr(other, name)).any()
    for one, two in zip(first.test_ood, again.test_ood, strict=True):
        np.testing.assert_array_equal(one.x, two.x)
    fewer = split(dataset(natural={}), 1)
    np.testing.assert_array_equal(first.train_x, fewer.train_x)
    assert [ood.name for ood in fewer.validation_ood] == ["uniform", "gaussian", "constant"]


def test_equal_images_are_in_one_part():
    data = dataset()
    x, test_x = data.x.copy(), data.test_x.copy()
    x[300:600] = x[:300]  # every training image occurs twice
    test_x[:7] = x[:7]  # seven test images equal training images
    test_x[7] = test_x[8]  # two test images are equal, which is allowed
    data = replace(data, x=x, y=numbers(x) % 3, test_x=test_x)
    together = split(data)
    assert not np.isin(numbers(together.validation_x), numbers(together.train_x)).any()
    assert sorted(numbers(together.test_x)) == sorted(numbers(test_x[7:]))
    assert together.crossing == 0
    assert together.duplicates == 300 + 7 + 1
    assert together.notes[-1] == "7 test images removed that equal an image of the training part"
    across = split(data, duplicates="across")
    assert len(across.test_x) == 100
    assert across.duplicates == 308
    crossing = np.isin(
        np.concatenate([numbers(across.validation_x), numbers(across.test_x)]), numbers(across.train_x)
    )
    assert across.crossing == crossing.sum() > 50
    assert across.notes == ("a note",)


def test_too_few_images_are_an_error():
    with pytest.raises(EbmoodError, match="numbers: in-distribution images: 9 are too few for a split 90/10"):
        split(dataset(x=numbered(9), y=None))
    with pytest.raises(
        EbmoodError, match="numbers: natural OOD set 'first': 4 are too few for a split 20/80"
    ):
        split(dataset(natural={"first": numbered(4)}))
    with pytest.raises(
        EbmoodError, match="every test image equals an image of the training part; set `duplicates: across`"
    ):
        split(dataset(test_x=numbered(5), test_y=None))
