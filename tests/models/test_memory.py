"""The memory energy and the relative distance against loops over the formulas, and the rows that are left out."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ebmood.models.memory import (
    DIMENSION_NEIGHBOURS,
    MAX_DIMENSION,
    TIE,
    TINY,
    MemoryEnergy,
    MemorySettings,
    RelativeDistance,
    intrinsic_dimension,
    leave_one_out,
    squared_distances,
)

SETTINGS = [
    MemorySettings(),
    MemorySettings(neighbours=1, bandwidth=1.0, smallest_bandwidth=1.5, power=1.0, compare=1.0),
    MemorySettings(neighbours=40, bandwidth=0.2, smallest_bandwidth=0.0, power=0.0, compare=0.0),
]


def training_rows(count: int = 61) -> np.ndarray:
    """Return a dense and a sparse cluster. The number of rows is odd, so that the median is one of them."""
    x = np.random.default_rng(0).normal(size=(count, 3))
    x[: count // 2] = 0.2 * x[: count // 2] + 4
    return x


def new_rows() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.concatenate([2 * rng.normal(size=(20, 3)), training_rows()[:5] + 0.01, [[1e3, 0.0, 0.0]]])


def left_out(x: np.ndarray) -> torch.Tensor:
    return leave_one_out(squared_distances(torch.from_numpy(x), torch.from_numpy(x)))


def between(x: np.ndarray, rows: np.ndarray) -> torch.Tensor:
    return squared_distances(torch.from_numpy(x), torch.from_numpy(rows))


def distances_to_others(x: np.ndarray, row: int) -> list[float]:
    """Return the distances from a training row to all others, ascending."""
    return sorted(float(np.linalg.norm(x[row] - other)) for i, other in enumerate(x) if i != row)


def median_of_positive(values: list[float]) -> float:
    positive = sorted(value for value in values if value > 0)
    return positive[(len(positive) - 1) // 2]


def naive_bandwidths(x: np.ndarray, settings: MemorySettings) -> list[float]:
    k = min(settings.neighbours, len(x) - 1)
    d = [distances_to_others(x, row)[k - 1] for row in range(len(x))]
    smallest = settings.smallest_bandwidth * median_of_positive(d)
    return [settings.bandwidth * max(distance, smallest) for distance in d]


def naive_dimension(x: np.ndarray) -> float:
    ratios = []
    for row in range(len(x)):
        nearest = distances_to_others(x, row)[:DIMENSION_NEIGHBOURS]
        ratios += [math.log((nearest[-1] + TINY) / (distance + TINY)) for distance in nearest[:-1]]
    return 1 / (sum(ratios) / len(ratios))


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_memory_energy_is_that_of_the_formula(settings):
    x, new = training_rows(), new_rows()
    bandwidths, dimension = naive_bandwidths(x, settings), naive_dimension(x)
    expected = []
    for row in new:
        terms = [
            -settings.power * dimension * math.log(h) - float(np.sum((row - other) ** 2)) / (2 * h**2)
            for h, other in zip(bandwidths, x, strict=True)
        ]
        expected.append(-logsumexp(terms))
    energy = MemoryEnergy(len(x)).fit(left_out(x), settings)
    np.testing.assert_allclose(energy(between(new, x)).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_relative_distance_is_that_of_the_formula(settings):
    x, new = training_rows(), new_rows()
    k = settings.neighbours
    means = [float(np.mean(distances_to_others(x, row)[:k])) for row in range(len(x))]
    tie = TIE * median_of_positive(means)
    relative = RelativeDistance(len(x), settings).fit(left_out(x))
    np.testing.assert_allclose(relative.means.numpy(), means, rtol=1e-6, atol=1e-6)
    expected = []
    for row in new:
        d = np.linalg.norm(x - row, axis=1)
        nearest = np.argsort(d, kind="stable")[:k]
        around = float(np.mean([means[i] for i in nearest]))
        expected.append(math.log(d[nearest].mean() + tie) - settings.compare * math.log(around + tie))
    np.testing.assert_allclose(relative(between(new, x)).numpy(), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_row_at_infinity_is_left_out(settings):
    """The energies are those of the other rows, whose bandwidths and mean distances do not change."""
    x = training_rows()
    squared = left_out(x)
    memory = MemoryEnergy(len(x)).fit(squared, settings)
    relative = RelativeDistance(len(x), settings).fit(squared)
    energies, distances = memory(squared.clone()), relative(squared.clone())
    assert torch.isfinite(energies).all()
    assert torch.isfinite(distances).all()
    for row in range(len(x)):
        others = np.delete(np.arange(len(x)), row)
        memory_of_others = MemoryEnergy(len(others))
        memory_of_others.log_weights.copy_(memory.log_weights[others])
        memory_of_others.precisions.copy_(memory.precisions[others])
        relative_of_others = RelativeDistance(len(others), settings)
        relative_of_others.means.copy_(relative.means[others])
        relative_of_others.tie.copy_(relative.tie)
        to_others = between(x[row : row + 1], x[others])
        torch.testing.assert_close(memory_of_others(to_others)[0], energies[row], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(relative_of_others(to_others)[0], distances[row], rtol=1e-6, atol=1e-6)


def test_equal_rows_have_the_smallest_bandwidth_whatever_rounding_does():
    """Distances between equal rows are zero up to rounding, and must not count as positive ones."""
    settings = MemorySettings()
    kinds = np.random.default_rng(0).normal(size=(30, 12))
    x = np.concatenate([np.repeat(kinds[:10], 20, axis=0), kinds[10:]])  # 200 of 220 rows are repeated
    memory = MemoryEnergy(len(x)).fit(left_out(x), settings)
    bandwidths = (0.5 / memory.precisions).sqrt().numpy()
    single = [distances_to_others(x, row)[settings.neighbours - 1] for row in range(200, 220)]
    smallest = settings.bandwidth * settings.smallest_bandwidth * sorted(single)[9]
    np.testing.assert_allclose(bandwidths[:200], smallest, rtol=1e-6)
    np.testing.assert_allclose(bandwidths[200:], settings.bandwidth * np.array(single), rtol=1e-6)


@pytest.mark.parametrize("x", [[[0.0], [1.0]], [[0.0], [0.0]], [[0.0], [1.0], [3.0]], [[2.0]] * 12])
def test_few_rows_and_equal_rows_have_finite_energies(x):
    rows = np.array(x)
    for settings in SETTINGS:
        squared = left_out(rows)
        memory = MemoryEnergy(len(rows)).fit(squared, settings)
        relative = RelativeDistance(len(rows), settings).fit(squared)
        new = between(np.array([[0.0], [0.5], [1e6]]), rows)
        if settings.smallest_bandwidth > 0:
            assert torch.isfinite(memory(squared.clone())).all()
            assert (memory(new.clone()).diff() > 0).sum() >= 1
        assert torch.isfinite(relative(squared)).all()
        assert torch.isfinite(relative(new)).all()


def test_energies_rise_with_the_distance_from_the_training_rows():
    x = training_rows()
    path = np.linspace(5, 1000, 200)[:, None] * np.array([[1.0, 1.0, 1.0]])
    for model in (
        MemoryEnergy(len(x)).fit(left_out(x), SETTINGS[0]),
        RelativeDistance(len(x), SETTINGS[0]).fit(left_out(x)),
    ):
        assert (model(between(path, x)).diff() > 0).all()


def test_rows_that_equal_training_rows_have_equal_values_whatever_rounding_does():
    """All distances to the nearest rows are zero, up to rounding, which depends on the number of rows at a time."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    x = torch.from_numpy((rng.random((400, 5)) > 0.5) @ mixing)
    relative = RelativeDistance(len(x), MemorySettings()).fit(leave_one_out(squared_distances(x, x)))
    new = torch.from_numpy((rng.random((300, 5)) > 0.5) @ mixing)
    together = relative(squared_distances(new, x))
    alone = torch.cat([relative(squared_distances(row[None], x)) for row in new])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_the_relative_distance_does_not_change_with_the_unit_if_neighbours_count_fully():
    x, new = training_rows(), new_rows()
    settings = MemorySettings(compare=1.0)
    results = [
        RelativeDistance(len(x), settings).fit(left_out(x * unit))(between(new * unit, x * unit))
        for unit in (1.0, 1000.0)
    ]
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=1e-6)


def test_differences_of_memory_energies_do_not_change_with_the_unit():
    x, new = training_rows(), new_rows()
    energies = [
        MemoryEnergy(len(x)).fit(left_out(x * unit), SETTINGS[0])(between(new * unit, x * unit))
        for unit in (1.0, 1000.0)
    ]
    # Only the small distance that is added before logarithms has a unit.
    torch.testing.assert_close(energies[0].diff(), energies[1].diff(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", ["memory", "relative"])
def test_a_model_with_the_same_state_gives_equal_energies(model):
    x, new = training_rows(), new_rows()
    if model == "memory":
        fitted, copy = MemoryEnergy(len(x)).fit(left_out(x), SETTINGS[0]), MemoryEnergy(len(x))
    else:
        fitted = RelativeDistance(len(x), SETTINGS[0]).fit(left_out(x))
        copy = RelativeDistance(len(x), SETTINGS[0])
    copy.load_state_dict(fitted.state_dict())
    assert (copy(between(new, x)) == fitted(between(new, x))).all()


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_the_intrinsic_dimension_of_uniform_rows_is_recovered(dimension):
    """Also if they lie in a plane of eight dimensions, and in any unit."""
    rng = np.random.default_rng(0)
    plane, _ = np.linalg.qr(rng.normal(size=(8, dimension)))
    x = rng.random((2000, dimension)) @ plane.T
    for unit in (1.0, 1000.0):
        nearest = left_out(unit * x).topk(DIMENSION_NEIGHBOURS, largest=False).values.sqrt()
        assert intrinsic_dimension(nearest) == pytest.approx(dimension, rel=0.15)


def test_the_intrinsic_dimension_is_between_1_and_50():
    assert intrinsic_dimension(torch.tensor([[1e-9, 1.0], [1e-9, 1.0]])) == 1
    assert intrinsic_dimension(torch.ones(4, 5)) == MAX_DIMENSION
    assert intrinsic_dimension(torch.zeros(4, 5)) == MAX_DIMENSION
    assert intrinsic_dimension(torch.ones(2, 1)) == 1


def test_squared_distances_are_those_of_scipy_and_never_negative():
    x, rows = new_rows(), training_rows()
    squared = between(x, rows)
    assert squared.dtype == torch.float64
    np.testing.assert_allclose(squared.numpy(), cdist(x, rows, "sqeuclidean"), rtol=1e-9, atol=1e-9)
    large = 1e6 + np.random.default_rng(0).random((50, 3))
    assert (between(large, large) >= 0).all()


def test_leaving_out_changes_only_the_diagonal():
    x = training_rows()
    squared, both = between(x, x), left_out(x)
    assert torch.isinf(both.diagonal()).all()
    off_diagonal = ~torch.eye(len(x), dtype=torch.bool)
    assert (both[off_diagonal] == squared[off_diagonal]).all()
