"""Outliers among the training rows are left out, and the strangest rows are listed."""

import numpy as np
import pytest

from ebmood import EnergyDetector, InputError
from ebmood.detector.energy.contamination import count_contaminated


@pytest.fixture
def contaminated() -> np.ndarray:
    """Return 300 normal rows, then 15 outliers that are far from each other."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(300, 3)), outliers(rng, 15)])


def outliers(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = rng.normal(size=(count, 3))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * rng.uniform(6, 12, size=(count, 1))


@pytest.mark.parametrize("contamination", [15 / 315, "auto"])
def test_outliers_among_the_training_rows_are_left_out(contaminated, contamination):
    plain = EnergyDetector(random_state=0).fit(contaminated)
    clean = EnergyDetector(random_state=0, contamination=contamination).fit(contaminated)
    new = outliers(np.random.default_rng(1), 200)
    assert 10 <= clean.n_left_out_rows_ <= 20
    assert plain.n_left_out_rows_ == 0
    assert (clean.predict(new) == -1).mean() > 0.95
    assert (clean.predict(new) == -1).mean() > (plain.predict(new) == -1).mean()


def test_outliers_that_resemble_each_other_are_left_out():
    """Five neighbours of such an outlier are outliers, but not as many neighbours as there are outliers."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(300, 3)), rng.normal(4, 0.1, size=(15, 3))])
    cleaned = EnergyDetector(random_state=0, contamination=15 / 315).fit(rows)
    new = rng.normal(4, 0.1, size=(200, 3))
    assert [scale.neighbours for scale in cleaned.settings_.scales] == [5, 15, 75]
    assert (cleaned.predict(new) == -1).mean() > 0.95
    assert (EnergyDetector(random_state=0).fit(rows).predict(new) == -1).mean() < 0.5


def test_the_strangest_rows_are_listed_by_their_index(contaminated):
    rows = np.random.default_rng(2).permutation(len(contaminated))
    detector = EnergyDetector(random_state=0).fit(contaminated[rows[:-5]][::-1])
    numbers, scores = zip(*detector.strangest_rows_, strict=True)
    assert list(scores) == sorted(scores)
    assert len(numbers) == 10
    left = EnergyDetector(random_state=0, contamination=0.1).fit(contaminated)
    listed = [row for row, _ in left.strangest_rows_]
    assert set(listed) <= set(range(300)), (
        "outliers were left out, so they are not among the rows that were used"
    )


def test_fit_predict_marks_the_rows_that_were_left_out(contaminated):
    detector = EnergyDetector(random_state=0, contamination=0.1)
    labels = detector.fit_predict(contaminated)
    np.testing.assert_array_equal(np.flatnonzero(labels == -1), detector.left_out_rows_)
    assert len(detector.left_out_rows_) == detector.n_left_out_rows_ == round(0.1 * len(contaminated))
    assert (labels[300:] == -1).all(), "the outliers are the last rows"
    assert len(detector.set_params(contamination=None).fit(contaminated).left_out_rows_) == 0


def test_auto_leaves_out_nothing_of_a_normal_sample_and_few_rows_of_heavy_tails():
    rng = np.random.default_rng(0)
    assert count_contaminated(rng.normal(size=1000), "auto") <= 10
    assert count_contaminated(-rng.exponential(size=1000), "auto") <= 100


def test_a_supervised_fit_leaves_out_rows_with_their_classes(contaminated):
    y = np.arange(len(contaminated)) % 2
    detector = EnergyDetector(random_state=0, supervised=True, contamination=0.05).fit(contaminated, y)
    assert detector.n_left_out_rows_ == 16
    assert detector.class_p_values(contaminated[:4]).shape == (4, 2)


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, "some", True, float("nan")])
def test_invalid_values_are_refused(contamination):
    with pytest.raises(InputError, match="contamination="):
        EnergyDetector(contamination=contamination).fit(np.eye(9))
