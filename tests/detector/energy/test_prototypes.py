"""A detector that holds centres of clusters instead of rows."""

import numpy as np
import pandas as pd
import pytest

from ebmood import EnergyDetector, InputError, load


def frame(rng: np.random.Generator, count: int) -> pd.DataFrame:
    level = rng.integers(0, 3, count)
    x = rng.normal(size=(count, 3)) + 4 * level[:, None]
    rows = pd.DataFrame(x, columns=list("abc"))
    rows["k"] = np.array(list("uvw"))[level]
    rows.loc[rng.random(count) < 0.1, "c"] = np.nan
    return rows


def test_no_training_row_is_held_and_most_outliers_are_found(tmp_path):
    rng = np.random.default_rng(0)
    train, new = frame(rng, 600), frame(rng, 400)
    detector = EnergyDetector(memory="prototypes", random_state=0).fit(train)
    held = detector.model_.memory.numpy()
    assert len(held) <= 80
    assert not set(held[:, 0]) & set(train["a"])
    assert 0.01 < (detector.predict(new) == -1).mean() < 0.11
    wrong = new.assign(a=new.a + 6, b=new.b - 6)
    assert (detector.predict(wrong) == -1).mean() > 0.95
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").score_samples(new), detector.score_samples(new))
    assert load(tmp_path / "model").memory == "prototypes"


def test_columns_and_views_store_summaries_of_bounded_size():
    x = np.random.default_rng(0).normal(size=(4000, 5))
    detector = EnergyDetector(memory="prototypes", random_state=0).fit(x)
    sizes = [buffer.shape for buffer in detector.model_.state_dict().values()]
    assert max(max(shape, default=0) for shape in sizes) == 256


def test_classes_have_prototypes_of_their_own():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 2)) + 6 * y[:, None]
    detector = EnergyDetector(memory="prototypes", supervised=True, random_state=0).fit(x, y)
    p = detector.class_p_values(np.array([[0.0, 0.0], [6.0, 6.0], [3.0, 20.0]]))
    assert (p > 0.1).tolist() == [[True, False], [False, True], [False, False]]


@pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.CalibrationWarning", "ignore::ebmood.core.errors.SelfTestWarning"
)
@pytest.mark.parametrize("x", [np.zeros((9, 2)), np.eye(3), np.full((40, 2), 1e99)])
def test_tables_with_few_different_rows_can_be_fitted(x):
    detector = EnergyDetector(memory="prototypes", random_state=0, calibration=1).fit(x)
    assert np.isfinite(detector.score_samples(x * 2 + 1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"memory": "none"}, "memory='none': must be 'rows'"), ({"calibration": "loo"}, "needs rows")],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        EnergyDetector(**{"memory": "prototypes"} | options).fit(np.eye(9))
