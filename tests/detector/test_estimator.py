import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ebmood import EnergyDetector, InputError
from ebmood.core.metrics import separation


def test_malignant_rows_score_lower_than_benign_ones(fitted, malignant, benign):
    scores = np.concatenate([fitted.score_samples(malignant), fitted.score_samples(benign)])
    is_benign = np.repeat([0, 1], [len(malignant), len(benign)])
    assert roc_auc_score(is_benign, scores) > 0.9


def test_the_methods_agree(fitted, malignant):
    scores = fitted.score_samples(malignant)
    p = fitted.p_values(malignant)
    np.testing.assert_array_equal(fitted.decision_function(malignant), scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.predict(malignant) == -1, p <= fitted.alpha)
    batch = fitted.score_batch(malignant)
    np.testing.assert_array_equal(batch.scores, scores)
    np.testing.assert_array_equal(batch.p_values, p)
    np.testing.assert_array_equal(batch.flags, p <= fitted.alpha)
    n = len(fitted.calibration_scores_)
    assert n == round(0.2 * 357)
    assert fitted.n_training_rows_ == 357 - n
    assert fitted.offset_ == fitted.calibration_scores_[int(0.05 * (n + 1)) - 1]
    assert fitted.false_alarm_rate_ == int(0.05 * (n + 1)) / (n + 1)
    assert ((p * (n + 1)) % 1 == 0).all()


def test_a_row_has_the_same_score_in_every_batch(fitted, benign, malignant):
    """Exactly, because p-values of discrete tables depend on ties."""
    rows = np.concatenate([benign, malignant])
    scores = fitted.score_samples(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(fitted.score_samples(rows[order]), scores[order])
    np.testing.assert_array_equal(fitted.score_samples(np.tile(rows, (3, 1)))[-len(rows) :], scores)
    assert fitted.score_samples(rows[7:8])[0] == scores[7]


def test_select_finds_outliers(fitted, benign, malignant):
    selected = fitted.select(np.concatenate([malignant, benign[:40]]), fdr=0.2)
    assert selected.dtype == bool
    assert selected[: len(malignant)].mean() > 0.3
    with pytest.raises(InputError, match="fdr=2"):
        fitted.select(malignant, fdr=2)


def test_pandas_polars_torch_and_lists_give_equal_scores(quick):
    x, _ = load_wine(return_X_y=True)
    names = [f"column {j}" for j in range(x.shape[1])]
    detector = EnergyDetector(energy=quick, random_state=1).fit(pd.DataFrame(x, columns=names))
    from_polars = EnergyDetector(energy=quick, random_state=1).fit(pl.DataFrame(x, schema=names))
    from_torch = EnergyDetector(energy=quick, random_state=1).fit(torch.tensor(x))
    scores = detector.score_samples(pl.DataFrame(x, schema=names))
    np.testing.assert_array_equal(from_polars.score_samples(pd.DataFrame(x, columns=names)), scores)
    np.testing.assert_array_equal(from_torch.score_samples(x.tolist()), scores)
    assert detector.feature_names_in_.tolist() == names
    assert detector.column_labels() == tuple(names)
    assert from_torch.column_labels()[3] == "x3"
    with pytest.raises(InputError, match="another order"):
        detector.predict(pd.DataFrame(x, columns=names)[names[::-1]])


def test_a_second_fit_discards_names_and_classes_of_the_first(quick):
    x, y = load_wine(return_X_y=True)
    detector = EnergyDetector(energy=quick, random_state=0, supervised=True).fit(
        pd.DataFrame(x).add_prefix("c"), y
    )
    detector.set_params(supervised=False).fit(x)
    assert not hasattr(detector, "feature_names_in_")
    with pytest.raises(InputError, match="fitted without classes"):
        detector.class_p_values(x)


def test_pipelines_grid_search_clone_and_pickle_work(benign, quick, tmp_path):
    pipeline = make_pipeline(StandardScaler(), EnergyDetector(energy=quick, random_state=0))
    grid = GridSearchCV(
        pipeline,
        {"energydetector__alpha": [0.05, 0.5]},
        scoring=lambda fitted, X, y=None: (fitted.predict(X) == 1).mean(),
        cv=2,
    ).fit(benign)
    assert grid.best_params_ == {"energydetector__alpha": 0.05}  # the level that accepts more benign rows
    copy = clone(grid.best_estimator_).fit(benign)
    joblib.dump(grid.best_estimator_, tmp_path / "pipeline.joblib")
    loaded = joblib.load(tmp_path / "pipeline.joblib")
    for other in (copy, loaded):
        np.testing.assert_array_equal(other.score_samples(benign), grid.best_estimator_.score_samples(benign))


def test_calibration_rows_affect_only_the_calibration(benign, quick):
    """If they are replaced by absurd values, the scores of the other rows do not change."""
    detector = EnergyDetector(energy=quick, random_state=3).fit(benign)
    is_calibration = np.isin(detector.score_samples(benign), detector.calibration_scores_)
    assert is_calibration.sum() == len(detector.calibration_scores_)
    changed = benign.copy()
    changed[is_calibration] = 1e6
    with warnings.catch_warnings(action="ignore"):
        other = EnergyDetector(energy=quick, random_state=3).fit(changed)
    np.testing.assert_array_equal(other.score_samples(benign), detector.score_samples(benign))
    assert not np.array_equal(other.calibration_scores_, detector.calibration_scores_)


def test_class_p_values_are_large_for_the_true_class(quick):
    x, y = load_wine(return_X_y=True)
    names = np.array(["barolo", "grignolino", "barbera"])[y]
    detector = EnergyDetector(energy=quick, random_state=0, supervised=True, calibration=0.4).fit(x, names)
    p = detector.class_p_values(x)
    assert detector.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert p.shape == (len(x), 3)
    true_class = p[np.arange(len(x)), np.searchsorted(detector.classes_, names)]
    assert true_class.mean() > 3 * (p.sum(axis=1) - true_class).mean() / 2
    class_rows = sum(len(scores) for scores in detector.class_calibration_scores_)
    assert class_rows == len(detector.calibration_scores_)


def test_y_is_ignored_unless_supervised(benign, quick):
    a = EnergyDetector(energy=quick, random_state=0).fit(benign, np.full(len(benign), "nonsense"))
    b = EnergyDetector(energy=quick, random_state=0).fit(benign)
    np.testing.assert_array_equal(a.score_samples(benign), b.score_samples(benign))


def test_images_are_flattened(quick):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(80, 1, 4, 4)).clip(-2, 2)
    detector = EnergyDetector(energy=quick, random_state=0, calibration=0.3).fit(images)
    assert detector.n_features_in_ == 16
    corrupted = images[:5].copy()
    corrupted[:, 0, 2, 3] = 30
    gains = detector.feature_contributions(corrupted)
    assert gains.shape == corrupted.shape
    assert (gains.reshape(5, -1).argmax(axis=1) == 11).all()
    with pytest.raises(
        InputError, match=r"rows of shape \(16,\), but the detector was fitted on rows of shape \(1, 4, 4\)"
    ):
        detector.predict(images.reshape(80, 16))


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("supervised", [False, True])
def test_a_row_a_thousand_ranges_away_scores_below_the_median(embedded, supervised, quick):
    x, y = load_wine(return_X_y=True)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(13, 4), nn.Tanh()) if embedded else None
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=module, supervised=supervised, random_state=0).fit(x, y)
    width = np.ptp(x, axis=0)
    one_column = np.concatenate([x[:13] + 1001 * np.diag(width), x[:13] - 1001 * np.diag(width)])
    all_columns = np.stack([x[0] + 1001 * width, x[0] - 1001 * width, x[0] + 1e6 * width, np.full(13, 1e300)])
    distant = detector.score_samples(np.concatenate([one_column, all_columns]))
    assert distant.max() < np.median(detector.score_samples(x))


def test_a_huge_value_can_be_scored_but_not_fitted(fitted, benign):
    row = benign[:1].copy()
    row[0, 4] = 1e300
    assert np.isfinite(fitted.score_samples(row)).all()
    assert fitted.predict(row)[0] == -1
    with pytest.raises(
        InputError, match=r"row 357, column 4: 1e\+300 is too large to fit.*np.delete\(X, 4, axis=1\)"
    ):
        EnergyDetector().fit(np.concatenate([benign, row]))


def test_the_seed_determines_the_fit_and_the_global_generator_is_unchanged(benign, quick):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a = EnergyDetector(energy=quick, random_state=np.random.RandomState(5)).fit(benign)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    b = EnergyDetector(energy=quick, random_state=a.seed_).fit(benign)
    np.testing.assert_array_equal(a.score_samples(benign), b.score_samples(benign))
    c = EnergyDetector(energy=quick, random_state=a.seed_ + 1).fit(benign)
    assert not np.array_equal(a.score_samples(benign), c.score_samples(benign))


def test_a_warning_about_names_points_to_the_caller(quick):
    x, _ = load_wine(return_X_y=True)
    detector = EnergyDetector(energy=quick, random_state=0).fit(pd.DataFrame(x).add_prefix("c"))
    with pytest.warns(UserWarning, match="does not have valid feature names") as caught:
        detector.score_samples(x)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("digit", [3, 8, 9])
def test_digits_are_told_apart_as_well_as_by_nearest_neighbours(digit):
    """Corner pixels are dark in nearly all training rows, and must not decide the score of a row in which they are
    not."""
    digits = load_digits()
    normal = np.random.default_rng(0).permutation(digits.data[digits.target == digit])
    others = digits.data[digits.target != digit]
    train, test = np.split(normal, [120])
    scores = (
        EnergyDetector(random_state=0)
        .fit(train)
        .score(np.concatenate([test, others]), np.repeat([1, -1], [len(test), len(others)]))
    )
    nearest = [NearestNeighbors(n_neighbors=5).fit(train).kneighbors(x)[0].mean(1) for x in (test, others)]
    rivals = separation(-nearest[0], -nearest[1]).auroc
    assert scores > rivals - 0.01
