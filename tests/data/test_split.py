"""Properties of the split, for random data and for Segment."""

import warnings
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ebmood.core.errors import DataWarning, EbmoodError, InputError
from ebmood.data import Dataset, Segment, Split, split_dataset

SEEDS = st.integers(0, 2**31)


OPTIONS = ["together", "across"]


def numbered(x, natural=None) -> Dataset:
    """Return a data set whose labels are the row numbers, so that a test can find the part of each row."""
    x = np.asarray(x, dtype=float)
    features = tuple(f"f{i}" for i in range(x.shape[1]))
    return Dataset("made", x, np.arange(len(x)), ("only",), natural or {}, features, "made.csv")


def noise(rows, features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, features))


def repeated(rows, different, seed=0):
    """Return `rows` rows with at most `different` different ones."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(different, 2))[generator.integers(different, size=rows)]


def as_set(x):
    return {row.tobytes() for row in x}


def arrays_of(split: Split):
    sets = {
        f"{part}/{ood.name}": ood.x
        for part in ("validation", "test")
        for ood in getattr(split, f"{part}_ood")
    }
    arrays = {name: value for name, value in vars(split).items() if isinstance(value, np.ndarray)}
    return arrays | sets


def assert_same(ours: Split, theirs: Split):
    for (name, a), (other, b) in zip(arrays_of(ours).items(), arrays_of(theirs).items(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.fixture(scope="module")
def segment():
    return Segment().load()


@pytest.mark.parametrize("duplicates", OPTIONS)
@settings(deadline=None)
@given(rows=st.integers(10, 400), seed=SEEDS)
def test_every_row_is_in_one_part_of_the_documented_size(duplicates, rows, seed):
    split = split_dataset(numbered(noise(rows)), seed, duplicates)
    tenth = round(rows / 10)
    assert [len(split.train_x), len(split.validation_x), len(split.test_x)] == [
        rows - 2 * tenth,
        tenth,
        tenth,
    ]
    all_rows = np.concatenate([split.train_y, split.validation_y, split.test_y])
    assert sorted(all_rows.tolist()) == list(range(rows))


@pytest.mark.parametrize("duplicates", OPTIONS)
@settings(deadline=None)
@given(rows=st.integers(10, 200), different=st.integers(8, 60), seed=SEEDS)
def test_all_rows_are_scaled_by_the_training_rows(duplicates, rows, different, seed):
    data = numbered(repeated(rows, different), natural={"ood": 100 * noise(10, 2)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        split = split_dataset(data, seed, duplicates)
    train = data.x[split.train_y]
    low, span = train.min(axis=0), np.ptp(train, axis=0)
    span[span == 0] = 1
    for rows_of, labels in ((split.train_x, split.train_y), (split.test_x, split.test_y)):
        np.testing.assert_allclose(rows_of, (data.x[labels] - low) / span, rtol=1e-6, atol=1e-6)
    assert split.train_x.min() >= 0
    assert split.train_x.max() <= 1
    ood = np.concatenate([split.validation_ood[0].x, split.test_ood[0].x])
    expected = (data.natural["ood"] - low) / span
    np.testing.assert_allclose(np.sort(ood, axis=0), np.sort(expected, axis=0), rtol=1e-5, atol=1e-5)


@given(seed=st.integers(0, 20))
@settings(deadline=None)
def test_other_rows_do_not_affect_the_scaling(seed):
    data = numbered(noise(60), natural={"ood": noise(10)})
    split = split_dataset(data, seed)
    assert split.test_y is not None
    changed = data.x.copy()
    changed[split.test_y[0], 2] = 1e6
    other = split_dataset(replace(data, x=changed, natural={"ood": 1e6 * data.natural["ood"]}), seed)
    np.testing.assert_array_equal(other.train_x, split.train_x)
    np.testing.assert_array_equal(other.validation_x, split.validation_x)
    assert (other.test_x != split.test_x).sum() == 1
    assert other.test_x[0, 2] > 1e4


@settings(deadline=None)
@given(
    x=arrays.arrays(
        np.float64,
        st.tuples(st.integers(12, 60), st.integers(1, 3)),
        elements=st.sampled_from([0.0, -0.0, 1, 2]),
    ),
    seed=SEEDS,
)
def test_together_keeps_equal_rows_in_one_part(x, seed):
    data = numbered(x)
    different = len(np.unique(x, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        if different < 3:
            with pytest.raises(EbmoodError, match="duplicates: across"):
                split_dataset(data, seed, "together")
            return
        split = split_dataset(data, seed, "together")
        across = split_dataset(data, seed, "across")
    assert split.crossing == 0
    assert split.duplicates == across.duplicates == len(x) - different
    sides = [as_set(x[labels] + 0.0) for labels in (split.train_y, split.validation_y, split.test_y)]
    assert all(sides)
    for one, other in combinations(sides, 2):
        assert not one & other
    trained = as_set(x[across.train_y] + 0.0)
    held_out = np.concatenate([across.validation_y, across.test_y])
    assert across.crossing == sum(row.tobytes() in trained for row in x[held_out] + 0.0)


@settings(deadline=None)
@given(rows=st.integers(5, 80), seed=SEEDS, duplicates=st.sampled_from(OPTIONS))
def test_no_ood_row_is_in_validation_and_test(rows, seed, duplicates):
    split = split_dataset(
        numbered(noise(20), natural={"a": noise(rows), "b": noise(rows, seed=1)}), seed, duplicates
    )
    for validation, test in zip(split.validation_ood, split.test_ood, strict=True):
        assert (validation.name, validation.kind) == (test.name, test.kind)
        assert not as_set(validation.x) & as_set(test.x)
        if validation.kind == "natural":
            assert len(test.x) == round(0.8 * rows)
            assert len(test.x) + len(validation.x) == rows


def test_together_keeps_equal_ood_rows_in_one_part():
    split = split_dataset(
        numbered(noise(20), natural={"a": repeated(100, 12) @ np.ones((2, 3))}), 0, "together"
    )
    assert not as_set(split.validation_ood[0].x) & as_set(split.test_ood[0].x)


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_of_segment(segment, seed):
    together = split_dataset(segment, seed, "together")
    across = split_dataset(segment, seed, "across")
    assert together.duplicates == across.duplicates == 194
    assert together.crossing == 0
    assert across.crossing > 20  # about 194 * 0.2 / 0.8: the leak that `together` prevents
    for split in (together, across):
        assert abs(len(split.train_x) - 1584) <= 2
        assert abs(len(split.test_x) - 198) <= 2
        assert [ood.name for ood in split.test_ood[:4]] == ["sky", "uniform", "gaussian", "constant"]
        assert abs(len(split.test_ood[0].x) - 264) <= 2


def test_the_split_depends_on_the_seed(segment):
    assert_same(split_dataset(segment, 3), split_dataset(segment, 3))
    ours, theirs = split_dataset(segment, 3), split_dataset(segment, 4)
    assert as_set(ours.train_x) != as_set(theirs.train_x)
    for mine, yours in zip(ours.test_ood, theirs.test_ood, strict=True):
        assert not np.array_equal(mine.x, yours.x)


def test_seeds_are_independent():
    """Two seeds have 10 % of their test rows in common, as expected, and their probes are not correlated."""
    data = numbered(noise(20_000))
    splits = [split_dataset(data, seed) for seed in (0, 1)]
    shared = np.intersect1d(splits[0].test_y, splits[1].test_y)
    assert abs(len(shared) - 200) < 70  # five standard deviations of the hypergeometric distribution
    for ours, theirs in zip(splits[0].test_ood, splits[1].test_ood, strict=True):
        assert abs(np.corrcoef(ours.x[:, 0], theirs.x[:, 0])[0, 1]) < 0.12


def test_the_id_split_depends_on_data_seed_and_duplicates_only():
    plain = split_dataset(numbered(noise(50)), 0)
    with_ood = split_dataset(numbered(noise(50), natural={"a": noise(20), "b": noise(30)}), 0)
    np.testing.assert_array_equal(plain.train_y, with_ood.train_y)
    np.testing.assert_array_equal(plain.test_y, with_ood.test_y)
    np.random.seed(1)  # as a library may do
    np.testing.assert_array_equal(split_dataset(numbered(noise(50)), 0).train_y, plain.train_y)


def test_without_duplicates_both_options_give_the_same_split():
    assert_same(
        *(split_dataset(numbered(noise(50), natural={"a": noise(9)}), 5, option) for option in OPTIONS)
    )


def test_test_sets_have_at_most_10000_rows():
    split = split_dataset(numbered(noise(110_000, 1), natural={"a": noise(14_000, 1)}), 0)
    assert len(split.test_x) == len(split.test_y) == 10_000
    assert [len(ood.x) for ood in split.test_ood] == [10_000] * 4
    assert len(split.train_x) == 88_000
    assert len(split.validation_x) == 11_000


def test_a_constant_column_is_kept_with_a_warning():
    x = noise(30)
    x[:, 1] = 4.0
    data = numbered(x, natural={"a": noise(10)})
    with pytest.warns(DataWarning, match=r"made.csv: column 'f1' is constant \(4\)"):
        split = split_dataset(data, 0)
    for part in (split.train_x, split.validation_x, split.test_x):
        np.testing.assert_array_equal(part[:, 1], 0)
    a = np.concatenate([split.validation_ood[0].x, split.test_ood[0].x])[:, 1]
    np.testing.assert_allclose(np.sort(a), np.sort(data.natural["a"][:, 1] - 4), rtol=1e-6)
    assert any("'f1' is constant" in note for note in split.notes)


def test_too_few_rows_are_an_error():
    with pytest.raises(EbmoodError, match=r"made.csv: in-distribution rows: 9 are too few .* at least 10"):
        split_dataset(numbered(noise(9)), 0)
    with pytest.raises(EbmoodError, match=r"made.csv: natural OOD set 'rare': 4 are too few .* at least 5"):
        split_dataset(numbered(noise(20), natural={"rare": noise(4)}), 0)


def test_values_that_do_not_fit_float32_are_an_error():
    huge = noise(20)
    huge[:, 1] *= 1e308
    with pytest.raises(EbmoodError, match="the range of column 'f1' exceeds the largest float"):
        split_dataset(numbered(huge), 0)
    large = noise(20)
    large[:, 2] = 1e300
    with pytest.raises(EbmoodError, match="column 'f2', a rows: 1e\\+300 does not fit float32"):
        split_dataset(numbered(noise(20), natural={"a": large}), 0)


def test_rows_of_any_shape_are_split():
    x = noise(20, 12).reshape(20, 3, 2, 2)
    data = Dataset("images", x, None, (), {"other": x[:5] + 1}, (), "made")
    split = split_dataset(data, 0)
    assert split.train_x.shape == (16, 3, 2, 2)
    assert split.train_y is None
    assert {ood.x.shape[1:] for ood in split.test_ood} == {(3, 2, 2)}


def test_scale_is_the_scaling_of_the_split(segment):
    split = split_dataset(segment, 0)
    scaled = split.scale(segment.x)
    rows = np.concatenate([split.train_x, split.validation_x, split.test_x])
    assert scaled.dtype == np.float32
    assert as_set(scaled) == as_set(rows)
    for name, x in segment.natural.items():
        ood = [one.x for one in (*split.validation_ood, *split.test_ood) if one.name == name]
        assert as_set(split.scale(x)) == as_set(np.concatenate(ood))
    np.testing.assert_array_equal(split.scale(segment.x[:3].tolist()), scaled[:3])
    images = replace(split, train_x=np.zeros((2, 1, 4, 4), np.uint8), scaling=None)
    np.testing.assert_array_equal(images.scale(images.train_x), images.train_x)


def test_scale_refuses_rows_of_another_table():
    split = split_dataset(numbered(noise(20)), 0)
    with pytest.raises(InputError, match=r"^rows: 2 columns, but the training rows have 3; .*"):
        split.scale(noise(5, 2))
    with pytest.raises(InputError, match=r"^rows: nan in row 1, column 'f2'; .*"):
        split.scale(np.array([[0, 0, 0], [0, 0, np.nan]]))
    with pytest.raises(InputError, match="no scaling"):
        replace(split, scaling=None).scale(noise(5))


def test_rows_that_are_not_finite_or_have_other_columns_are_an_error():
    x = noise(20)
    x[4, 1] = np.nan
    with pytest.raises(InputError, match=r"^made.csv: in-distribution rows: nan in row 4, column 'f1'; .*"):
        split_dataset(numbered(x), 0)
    with pytest.raises(InputError, match=r"^made.csv: a: inf in row 4, column 'f1'; .*"):
        split_dataset(numbered(noise(20), natural={"a": np.where(np.isnan(x), np.inf, x)}), 0)
    with pytest.raises(InputError, match=r"^made.csv: a: 2 columns, but the training rows have 3; .*"):
        split_dataset(numbered(noise(20), natural={"a": noise(20, 2)}), 0)
