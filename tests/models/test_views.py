"""Every view gives finite coordinates without units. Each view has a closed form, and Robust has comparable columns."""

import numpy as np
import pytest
import torch
from helpers.feature_rows import features
from scipy.spatial.distance import cdist
from scipy.stats import norm, rankdata
from sklearn.covariance import ShrunkCovariance
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from ebmood.models.views import (
    VIEWS,
    MinMax,
    NormalScores,
    Raw,
    Robust,
    Standardised,
    UnitLength,
    View,
    Whitened,
    WhitenedNormalScores,
    WhitenedRaw,
    WhitenedUnitLength,
)
from ebmood.models.views.features import are_features
from ebmood.models.views.one_unit import columns_share_unit
from ebmood.models.views.robust import MAX_SPAN
from ebmood.models.views.view import common_range, range_scales

DIGITS, WINE = load_digits().data, load_wine().data

PER_COLUMN = [view for view in VIEWS if not issubclass(view, (Whitened, UnitLength))]
OF_DIRECTIONS = [UnitLength, WhitenedUnitLength]
AFFINE = [Standardised, MinMax, Raw]


def fit(view: type[View], x: np.ndarray) -> View:
    return view(x.shape[1], len(x)).fit(torch.from_numpy(x))


def transform(view: View, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return view(torch.from_numpy(x)).numpy()


def scale(x: np.ndarray, view: View | None = None) -> np.ndarray:
    return transform(view or fit(Robust, x), x)


def min_max_scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.min(axis=0)) / np.ptp(x, axis=0)


def correlated_rows(rows: int, columns: int) -> np.ndarray:
    """Return rows with correlations, shifts and units, as real tables have them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    return x * rng.uniform(0.01, 100, columns) + rng.uniform(-50, 50, columns)


# All views


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "x",
    [
        WINE,
        np.column_stack([WINE, np.zeros(len(WINE)), np.full(len(WINE), 7.0)]),
        np.zeros((20, 3)),
        np.full((20, 2), -1e300),
        np.array([[1e300, 1.0], [-1e300, 2.0], [0.0, 3.0]]),
        np.array([[1e-300, 5e-324], [2e-300, 0.0]]),
        np.array([[1.0, 2.0, 3.0, 3.0], [1.0, 5.0, 3.0, 4.0]]),
        (np.arange(40.0).reshape(20, 2) % 3 == 0).astype(np.float64),
    ],
    ids=["wine", "constant", "zeros", "huge constant", "huge", "tiny", "two rows", "one unit"],
)
def test_extreme_rows_and_constant_columns_have_finite_float64_coordinates(view, x):
    fitted = fit(view, x)
    extremes = [0.0, 5e-324, 1e-300, 1.0, -1e15, 1e300, -1e300]
    rows = np.concatenate([x, x[::-1] * 3 + 1, *(np.full((1, x.shape[1]), value) for value in extremes)])
    z = transform(fitted, rows)
    assert z.dtype == np.float64
    assert np.isfinite(z).all()
    with np.errstate(over="raise"):
        assert np.isfinite(np.square(z).sum(axis=1)).all()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(178, 13), (9, 13)])
def test_a_new_view_with_the_same_state_gives_equal_results(view, shape):
    x = WINE[: shape[0]]
    fitted = fit(view, x)
    copy = view(x.shape[1], len(x))
    copy.load_state_dict(fitted.state_dict())
    np.testing.assert_array_equal(transform(copy, WINE), transform(fitted, WINE))


@pytest.mark.parametrize("view", VIEWS)
def test_rows_do_not_change_when_they_are_transformed(view):
    x = WINE.copy()
    transform(fit(view, x), x)
    np.testing.assert_array_equal(x, WINE)


@pytest.mark.parametrize("view", [view for view in VIEWS if not view.needs_one_unit])
@pytest.mark.parametrize("rows", [178, 9])
def test_units_and_origins_of_columns_do_not_change_distances(view, rows):
    rng = np.random.default_rng(0)
    units, origins = rng.uniform(0.01, 100, 13), rng.uniform(-50, 50, 13)
    training = WINE[:: 178 // rows]
    before = transform(fit(view, training), WINE)
    after = transform(fit(view, training * units + origins), WINE * units + origins)
    np.testing.assert_allclose(cdist(after, after), cdist(before, before), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("view", PER_COLUMN)
def test_each_column_is_monotone_and_does_not_depend_on_other_columns_of_the_row(view):
    x = correlated_rows(200, 3)
    fitted = fit(view, x)
    values = np.concatenate([[-1e300, -1e9], np.linspace(-2e3, 2e3, 4001), np.sort(x[:, 1]), [1e9, 1e300]])
    values.sort()
    rows = np.tile(x[0], (len(values), 1))
    rows[:, 1] = values
    z = transform(fitted, rows)
    assert (np.diff(z[:, 1]) >= 0).all()
    assert z[0, 1] < z[-1, 1]
    assert (z[:, [0, 2]] == z[0, [0, 2]]).all()


@pytest.mark.parametrize("view", [view for view in VIEWS if view not in OF_DIRECTIONS])
def test_a_training_column_that_is_constant_has_coordinates_zero(view):
    x = np.column_stack([WINE[:, 0], np.full(len(WINE), 1e9), WINE[:, 1]])
    without = transform(fit(view, WINE[:, :2]), WINE[:, :2])
    z = transform(fit(view, x), x)
    if view in PER_COLUMN:
        np.testing.assert_array_equal(z[:, 1], 0.0)
        np.testing.assert_allclose(z[:, [0, 2]], without, atol=1e-9)
    else:
        assert np.linalg.matrix_rank(z, tol=1e-6) == 2


# Closed forms


def test_standardised_columns_have_mean_0_and_standard_deviation_1():
    x = correlated_rows(200, 4)
    z = transform(fit(Standardised, x), x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(z.std(axis=0), 1, rtol=1e-9)


def test_min_max_columns_have_width_1_and_the_middle_at_0():
    x = correlated_rows(200, 4)
    z = transform(fit(MinMax, x), x)
    np.testing.assert_allclose(z.min(axis=0), -0.5, rtol=1e-9)
    np.testing.assert_allclose(z.max(axis=0), 0.5, rtol=1e-9)


@pytest.mark.parametrize("view", AFFINE)
def test_affine_views_are_affine(view):
    x = correlated_rows(200, 4)
    fitted = fit(view, x)
    a, b = x[:100], x[100:]
    half_way = (transform(fitted, a) + transform(fitted, b)) / 2
    np.testing.assert_allclose(transform(fitted, (a + b) / 2), half_way, rtol=1e-9, atol=1e-9)


def test_raw_columns_are_divided_by_one_number_and_have_mean_variance_1():
    rows = np.column_stack([DIGITS, 3 * DIGITS])
    z = transform(fit(Raw, rows), rows)
    vary = rows.std(axis=0) > 0
    factors = rows.std(axis=0)[vary] / z.std(axis=0)[vary]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-9)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    assert z.var(axis=0)[vary].mean() == pytest.approx(1)


def test_only_some_views_need_columns_of_one_unit():
    assert {view for view in VIEWS if view.needs_one_unit} == {
        Raw,
        UnitLength,
        WhitenedRaw,
        WhitenedUnitLength,
    }
    assert {view for view in VIEWS if view.for_features} == {UnitLength, WhitenedRaw, WhitenedUnitLength}
    assert len({view.name for view in VIEWS}) == len(VIEWS)


def ties(rows: int) -> np.ndarray:
    """Return columns without ties, with many ties, constant, and with a heavy tail."""
    rng = np.random.default_rng(0)
    tail = rng.standard_t(0.5, rows)
    return np.column_stack([rng.normal(size=rows), rng.integers(0, 4, rows), np.full(rows, 3.0), tail])


@pytest.mark.parametrize("rows", [2, 3, 100])
def test_normal_scores_of_training_values_are_normal_quantiles_of_mid_ranks(rows):
    x = ties(rows)
    expected = norm.ppf((rankdata(x, method="average", axis=0) - 0.5) / rows)
    np.testing.assert_allclose(transform(fit(NormalScores, x), x), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [2, 3, 7, 8, 9, 100])
def test_normal_scores_are_interpolated_linearly_and_end_at_the_extreme_values(rows):
    x = ties(rows)
    rng = np.random.default_rng(1)
    new = np.concatenate([x, rng.uniform(-4, 4, (500, 4)), [[-1e300] * 4, [1e300] * 4]])
    z = transform(fit(NormalScores, x), new)
    for column in range(4):
        values = np.unique(x[:, column])
        below, up_to = (np.searchsorted(np.sort(x[:, column]), values, side) for side in ("left", "right"))
        scores = norm.ppf((below + up_to) / (2 * rows))
        np.testing.assert_allclose(z[:, column], np.interp(new[:, column], values, scores), atol=1e-9)


def whitening_covariance(x: np.ndarray) -> np.ndarray:
    """Return S of the module's docstring."""
    covariance = np.cov(x.T, bias=True)
    return (covariance + np.trace(covariance) / x.shape[1] * np.eye(x.shape[1])) / 2


@pytest.mark.parametrize("shape", [(200, 5), (6, 6), (5, 6), (8, 30)])
def test_whitened_distances_from_training_rows_are_those_of_the_explicit_matrix(shape):
    """Some rows are far outside the span of the training rows, of which there are fewer than columns."""
    x = correlated_rows(*shape)
    standardised = (x - x.mean(axis=0)) / x.std(axis=0)
    new = np.random.default_rng(1).normal(size=(50, shape[1])) * np.repeat([[1.0], [30.0]], 25, axis=0)
    rows = np.concatenate([x, new * x.std(axis=0) + x.mean(axis=0)])
    eigenvalues, axes = np.linalg.eigh(whitening_covariance(standardised))
    root = axes @ np.diag(eigenvalues**-0.5) @ axes.T
    expected = cdist(np.concatenate([standardised, new]) @ root, standardised @ root)
    fitted = fit(Whitened, x)
    np.testing.assert_allclose(cdist(transform(fitted, rows), transform(fitted, x)), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(200, 5), (8, 30)])
def test_the_variances_of_whitened_rows_are_the_eigenvalues_divided_by_their_shrunken_ones(shape):
    x = correlated_rows(*shape)
    fitted = fit(Whitened, x)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(x.T))[-min(shape) :]  # the mean eigenvalue is 1
    expected = np.diag(eigenvalues.clip(0) / ((eigenvalues.clip(0) + 1) / 2))
    covariance = np.cov(transform(fitted, x)[:, : min(shape)].T, bias=True)
    np.testing.assert_allclose(covariance, expected, atol=1e-9)


def test_the_work_of_whitening_does_not_grow_with_the_square_of_the_columns():
    rows, columns = 8, 3000
    fitted = fit(Whitened, np.random.default_rng(0).normal(size=(rows, columns)))
    assert max(buffer.numel() for buffer in fitted.buffers()) == rows * columns
    assert transform(fitted, np.zeros((1, columns))).shape == (1, rows + 1)


@pytest.mark.parametrize("rows", [178, 9])
def test_whitened_normal_scores_are_normal_scores_that_are_whitened(rows):
    x = WINE[:rows]
    scores = fit(NormalScores, x)
    expected = transform(fit(Whitened, transform(scores, x)), transform(scores, WINE))
    result = transform(fit(WhitenedNormalScores, x), WINE)
    np.testing.assert_allclose(cdist(result, result), cdist(expected, expected), atol=1e-6)


# Features of a network


def test_distances_of_directions_are_those_of_the_cosine():
    x, new = features(), features(20, seed=1)
    view = fit(UnitLength, x)
    z, other = transform(view, x), transform(view, new)
    cosine = cdist(new, x, "cosine")
    ratio = cdist(other, z, "sqeuclidean") / cosine
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)
    vary = x.std(axis=0) > 0
    assert z.var(axis=0)[vary].mean() == pytest.approx(1)


@pytest.mark.parametrize("view", OF_DIRECTIONS)
@pytest.mark.parametrize("rows", [60, 200])
def test_the_length_of_a_row_does_not_change_its_direction(view, rows):
    x = features(rows)
    lengths = np.random.default_rng(1).uniform(1e-6, 1e6, (rows, 1))
    fitted = fit(view, x)
    np.testing.assert_allclose(transform(fitted, x * lengths), transform(fitted, x), atol=1e-6)
    np.testing.assert_allclose(transform(fit(view, x * lengths), x), transform(fitted, x), atol=1e-6)
    assert np.isfinite(transform(fitted, np.zeros((1, x.shape[1])))).all()


@pytest.mark.parametrize("shape", [(200, 70), (40, 70)])
def test_whitened_raw_distances_are_those_of_a_shrunken_covariance(shape):
    """Scikit-learn's covariance with the same shrinkage is an independent implementation."""
    x, new = features(*shape), features(30, shape[1], seed=1)
    shrunk = ShrunkCovariance(shrinkage=0.5).fit(x)
    fitted = fit(WhitenedRaw, x)
    result = cdist(transform(fitted, new), transform(fitted, x), "sqeuclidean")
    scale = float(fitted.center_and_scale.scale[0]) ** 2
    trace_per_column = np.trace(np.cov(x.T, bias=True)) / x.shape[1]
    expected = cdist(new, x, "mahalanobis", VI=shrunk.precision_) ** 2
    assert trace_per_column == pytest.approx(scale, rel=0.2)  # constant columns have no part in the scale
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("view", [UnitLength, WhitenedRaw, WhitenedUnitLength])
@pytest.mark.parametrize("rows", [40, 200])
def test_rotations_and_a_common_unit_do_not_change_distances_of_features(view, rows):
    x = features(rows, 70)
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(70, 70)))[0]
    before = transform(fit(view, x), x)
    after = transform(fit(view, 3.7 * x @ rotation), 3.7 * x @ rotation)
    # The scale of a view is that of the columns that vary, which a rotation changes; ratios remain.
    a, b = cdist(before, before), cdist(after, after)
    np.testing.assert_allclose(a / a.mean(), b / b.mean(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("view", [WhitenedRaw, WhitenedUnitLength])
def test_the_distances_of_a_row_that_is_left_out_are_near_those_of_a_fit_without_it(view):
    x = features(50, 80)
    fitted = fit(view, x)
    coordinates = torch.from_numpy(transform(fitted, x))
    left_out = fitted.leave_out(coordinates, slice(0, 50)).numpy()
    within = cdist(coordinates, coordinates, "sqeuclidean")
    for row in range(0, 50, 10):
        others = np.delete(np.arange(50), row)
        refitted = fit(view, x[others])
        exact = cdist(transform(refitted, x[[row]]), transform(refitted, x[others]), "sqeuclidean")[0]
        # A fit without the row has another scale of all columns, which is the same for all rows.
        assert np.median(left_out[row, others] / exact) == pytest.approx(1, abs=0.06)
        assert np.median(within[row, others] / exact) < 0.9


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(40, 5), (9, 20)])
def test_distances_of_a_row_that_is_left_out_from_points_are_those_from_rows_at_the_same_places(view, shape):
    x = np.abs(correlated_rows(*shape))
    fitted = fit(view, x)
    coordinates, part = torch.from_numpy(transform(fitted, x)), slice(2, shape[0])
    expected = fitted.leave_out(coordinates, part)
    result = fitted.leave_out(coordinates, part, coordinates[part].flip(0)).flip(1)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (features(), True),
        (features(2500, 100), True),
        (features().astype(np.float32), True),
        (1e-200 * features(), True),
        (1e200 * features(), True),
        (features(2500, 100).astype(np.float16).astype(float), True),
        (features(60, 60), False),  # too few columns
        (features() * np.logspace(0, 6, 90), False),  # a unit for each column
        (np.column_stack([features(), 1e6 * features(60, 3, seed=1)]), False),  # three columns dominate
        (np.column_stack([features(), np.full((60, 400), 7.0)]), True),
        ((features() > 1).astype(float), False),  # booleans
        (np.random.default_rng(0).integers(0, 6, (500, 100)).astype(float), False),  # codes
        (np.random.default_rng(0).integers(0, 256, (2500, 100)).astype(float), False),  # grey levels
        (np.full((20, 100), 3.0), False),
        (DIGITS, False),
        (features(1), False),
    ],
)
def test_features_are_recognized(x, expected):
    assert are_features(x) is expected


def test_neither_the_order_of_columns_nor_a_common_unit_and_origin_decide_what_features_are():
    rng = np.random.default_rng(0)
    for x in (features(), features() * np.logspace(0, 6, 90)):
        expected = are_features(x)
        assert are_features(x[:, rng.permutation(90)]) is expected
        assert are_features(1e-3 * x + 5) is expected


# Columns of one unit


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (DIGITS, True),
        (DIGITS / 16, True),
        (255 - DIGITS, True),
        (np.random.default_rng(0).random((200, 9)) < 0.1, True),  # booleans
        (WINE, False),
        (min_max_scaled(WINE), False),
        (load_breast_cancer().data, False),
        (np.random.default_rng(0).integers(0, [90, 5, 2], (500, 3)), False),  # an age, children, a boolean
        (np.zeros((20, 3)), False),
        (np.arange(20.0)[:, None], False),
        (np.random.default_rng(0).random((60, 4)), False),  # few distinct values because there are few rows
    ],
)
def test_columns_with_a_common_unit_are_recognized(x, expected):
    assert columns_share_unit(np.asarray(x, dtype=np.float64)) is expected


def test_a_range_counts_as_at_least_a_quarter_of_the_common_one():
    """A pixel in a corner that is dark in nearly all rows does not decide how far an image is from the others."""
    x = torch.from_numpy(DIGITS[:100])  # grey levels from 0 to 16
    low, high = x.amin(0), x.amax(0)
    own = high - low
    assert 0 < own[own > 0].min() < 4
    expected = torch.where(own == 0, 16.0, own.clamp(min=4.0))
    torch.testing.assert_close(range_scales(low, high, len(x), common_range(x)), expected)
    units = torch.linspace(1, 9, 64, dtype=torch.float64)
    scales = range_scales(low * units, high * units, len(x), common_range(x * units))
    torch.testing.assert_close(scales[own > 0], (own * units)[own > 0])


# Robust


def test_columns_with_a_common_unit_keep_their_proportions():
    """A pixel in a corner that rarely lights up has no more weight than one in the middle, nor has a constant one."""
    view = fit(Robust, DIGITS)
    image = np.tile(np.median(DIGITS, axis=0), (64, 1))
    before = scale(image, view)
    image[np.arange(64), np.arange(64)] += 4.0
    change = (scale(image, view) - before)[np.arange(64), np.arange(64)]
    assert DIGITS.std(axis=0).min() == 0
    assert change.max() < 2 * change.min()


@pytest.mark.parametrize("view", [Standardised, MinMax, Robust, Whitened])  # ranks distinguish all values
@pytest.mark.parametrize(("value", "other"), [(0.3, 0.1 + 0.2), (0.0, 1e-300), (1e15, 1e15 + 1)])
def test_columns_that_vary_only_by_rounding_count_as_constant(view, value, other):
    x = np.where(np.random.default_rng(0).random((100, 3)) < 0.5, value, other)
    for rows in (x, np.column_stack([x, np.arange(100) % 2])):
        z = transform(fit(view, rows), rows)
        assert np.isfinite(z).all()
        assert np.abs(z[:, :3]).max() < 1e-3


def test_a_rare_event_is_scaled_by_its_span():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, 2))
    x[:, 1] = np.where(rng.random(5_000) < 0.002, rng.uniform(50, 100, 5_000), 0.0)
    z = scale(x)
    assert np.abs(z[:, 0]).max() < MAX_SPAN
    assert 0.7 < z[:, 0].std() <= 1.0
    assert np.ptp(z[:, 1]) < MAX_SPAN  # a division by the standard deviation would give 30
    assert z[:, 1].std() < 0.5


def test_units_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    for x in (WINE, rng.normal(size=(40, 4))):
        units = rng.uniform(0.01, 100, x.shape[1])
        np.testing.assert_allclose(scale(x * units), scale(x), rtol=1e-4, atol=1e-4)


def test_scaling_is_monotone_and_close_to_linear_near_the_center():
    x = np.random.default_rng(0).normal(size=(500, 1)) * 4 + 100
    view = fit(Robust, x)
    grid = np.array([-1e300, -1e9, 0.0, 90.0, 100.0, 104.0, 110.0, 1e9, 1e300])
    scaled = scale(grid[:, None], view)[:, 0]
    assert (np.diff(scaled) >= 0).all()
    assert scaled[4:6].tolist() == pytest.approx([0.0, 1.0], abs=0.1)
    z = scale(x, view)
    assert z.mean() == pytest.approx(0, abs=0.02)
    deviations = np.ptp(x) / x.std()  # 500 normal numbers span 7 standard deviations
    assert z.std() == pytest.approx(MAX_SPAN / deviations, abs=0.02)


def test_one_huge_value_does_not_compress_its_column():
    x = np.random.default_rng(0).normal(size=(500, 1))
    x[0] = 1e12
    assert scale(x[1:], fit(Robust, x)).std() > 0.3


def test_normal_scores_of_more_rows_than_are_stored_are_close_to_those_of_all():
    x = torch.from_numpy(np.random.default_rng(0).standard_t(3, size=(3000, 2)))
    whole, summary = NormalScores(2, 3000).fit(x), NormalScores(2, 256).fit(x)
    assert summary.values.shape == (2, 256)
    inner = whole(x).abs() < 2  # a summary has few values in the tails
    torch.testing.assert_close(summary(x)[inner], whole(x)[inner], atol=0.05, rtol=0)


@pytest.mark.parametrize("rows", [40, 300])
def test_whitening_for_fewer_rows_keeps_the_axes_of_largest_variance(rows):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(
        rng.normal(size=(rows, 3)) @ rng.normal(size=(3, 60)) * 5 + rng.normal(size=(rows, 60))
    )
    view = Whitened(60, 3).fit(x)
    z = view(x)
    assert z.shape == (rows, 4)  # three axes, and the distance from them
    centred = view.center_and_scale(x)
    eigenvalues = torch.linalg.eigvalsh(centred.mT @ centred / rows)
    ball = eigenvalues.mean()
    torch.testing.assert_close(z[:, :3].square().mean(0), eigenvalues[-3:] / (eigenvalues[-3:] + ball) * 2)
    torch.testing.assert_close(float(view.rest) ** 2, float((eigenvalues[:-3].mean() + ball) / 2))
