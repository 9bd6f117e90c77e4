from dataclasses import replace

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data import Dataset, Split
from ebmood.data.images.image_split import split_images


def numbered(count: int, start: int = 0) -> np.ndarray:
    """Images that say their number in two bytes."""
    numbers = np.arange(start, start + count)
    x = np.zeros((count, 1, 8, 8), dtype=np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = numbers % 256, numbers // 256
    return x


def numbers(x: np.ndarray) -> np.ndarray:
    return x[:, 0, 0, 0].astype(int) + 256 * x[:, 0, 0, 1].astype(int)


def dataset(official=True, **changes) -> Dataset:
    """600 training images, 100 test images from number 1000, classes by number; natural sets of 50 and 20."""
    x, test_x = numbered(600), numbered(100, 1000)
    made = Dataset(
        name="tiny",
        x=x,
        y=numbers(x) % 3,
        classes=("a", "b", "c"),
        natural={"far": numbered(50, 2000), "near": numbered(20, 3000)},
        features=(),
        source="here",
        notes=("a note",),
        test_x=test_x if official else None,
        test_y=numbers(test_x) % 3 if official else None,
    )
    return replace(made, **changes)


def split(
    data: Dataset, seed=0, duplicates="together", train_rows=None, test_rows=10_000, unscaled=None
) -> Split:
    return split_images(data, seed, duplicates, train_rows, test_rows, unscaled)


@pytest.mark.parametrize("duplicates", ["together", "across"])
def test_official_parts(duplicates):
    made = split(dataset(), duplicates=duplicates)
    train, validation, test = (numbers(x) for x in (made.train_x, made.validation_x, made.test_x))
    assert (len(train), len(validation)) == (540, 60)
    assert sorted([*train, *validation]) == list(range(600))
    assert sorted(test) == list(range(1000, 1100))
    for rows, y in ((train, made.train_y), (validation, made.validation_y), (test, made.test_y)):
        np.testing.assert_array_equal(y, rows % 3)
        assert (np.diff(rows) < 0).any()  # in random order: figures and metrics take the first of them
    assert made.train_x.dtype == np.uint8
    assert (made.classes, made.notes, made.duplicates, made.crossing) == (3, ("a note",), 0, 0)


def test_without_an_official_test_part():
    made = split(dataset(official=False))
    parts = [numbers(x) for x in (made.train_x, made.validation_x, made.test_x)]
    assert [len(part) for part in parts] == [480, 60, 60]
    assert sorted(np.concatenate(parts)) == list(range(600))
    np.testing.assert_array_equal(made.test_y, parts[2] % 3)


def test_out_of_distribution_sets():
    made = split(dataset(), unscaled="near")
    assert [ood.name for ood in made.validation_ood] == [
        "far", "near", "uniform", "gaussian", "constant", "near-unscaled",
    ]  # fmt: skip
    low_level = ["shuffled-patches", "shuffled-pixels", "edges", "flat-colour"]
    assert [ood.name for ood in made.test_ood] == [ood.name for ood in made.validation_ood] + low_level
    for k, (count, start) in enumerate(((50, 2000), (20, 3000))):
        validation, test = made.validation_ood[k], made.test_ood[k]
        assert (len(validation.x), len(test.x)) == (count // 5, count * 4 // 5)
        both = np.concatenate([numbers(validation.x), numbers(test.x)])
        assert sorted(both) == list(range(start, start + count))
    for ood in made.test_ood[2:5]:
        assert ood.x.shape == made.test_x.shape
    np.testing.assert_array_equal(made.test_ood[5].x, made.test_ood[1].x.astype(np.float32))
    pixels = next(ood for ood in made.test_ood if ood.name == "shuffled-pixels").x
    np.testing.assert_array_equal(np.sort(pixels.reshape(100, -1)), np.sort(made.test_x.reshape(100, -1)))
    for ood in made.test_ood:
        if ood.name != "near-unscaled":
            assert ood.x.dtype == made.test_x.dtype
            assert ood.x.shape[1:] == made.test_x.shape[1:]


def test_caps():
    made = split(dataset(), train_rows=90, test_rows=15)
    assert [len(x) for x in (made.train_x, made.validation_x, made.test_x)] == [90, 10, 15]
    assert all(len(ood.x) <= 15 for ood in made.test_ood)
    whole = split(dataset())
    np.testing.assert_array_equal(made.train_x, whole.train_x[:90])
    np.testing.assert_array_equal(made.test_x, whole.test_x[:15])


def test_seeds():
    a, again, other = split(dataset(), 1), split(dataset(), 1), split(dataset(), 2)
    for name in ("train_x", "validation_x", "test_x", "train_y"):
        np.testing.assert_array_equal(getattr(a, name), getattr(again, name))
        assert (getattr(a, name) != getattr(other, name)).any()
    for first, second in zip(a.test_ood, again.test_ood, strict=True):
        np.testing.assert_array_equal(first.x, second.x)
    fewer = split(dataset(natural={}), 1)
    np.testing.assert_array_equal(a.train_x, fewer.train_x)
    assert [ood.name for ood in fewer.validation_ood] == ["uniform", "gaussian", "constant"]


def test_equal_images_stay_on_one_side():
    data = dataset()
    x, test_x = data.x.copy(), data.test_x.copy()
    x[300:600] = x[:300]  # every training image stands twice
    test_x[:7] = x[:7]  # seven test images stand in the training part
    test_x[7] = test_x[8]  # one stands twice among the test images, which matters to nobody
    data = replace(data, x=x, y=numbers(x) % 3, test_x=test_x)
    together = split(data)
    assert not np.isin(numbers(together.validation_x), numbers(together.train_x)).any()
    assert sorted(numbers(together.test_x)) == sorted(numbers(test_x[7:]))
    assert together.crossing == 0
    assert together.duplicates == 300 + 7 + 1
    assert together.notes[-1] == "7 test images left out that also stand in the training part"
    across = split(data, duplicates="across")
    assert len(across.test_x) == 100
    assert across.duplicates == 308
    crossing = np.isin(
        np.concatenate([numbers(across.validation_x), numbers(across.test_x)]), numbers(across.train_x)
    )
    assert across.crossing == crossing.sum() > 50
    assert across.notes == ("a note",)


def test_too_few_images():
    with pytest.raises(EbmoodError, match="here: in-distribution images: 9 are too few to split 90/10"):
        split(dataset(x=numbered(9), y=None))
    with pytest.raises(EbmoodError, match="here: natural OOD set 'far': 4 are too few to split 20/80"):
        split(dataset(natural={"far": numbered(4)}))
    with pytest.raises(
        EbmoodError, match="every test image stands in the training part; set `duplicates: across`"
    ):
        split(dataset(test_x=numbered(5), test_y=None))
