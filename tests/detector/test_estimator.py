import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ebmood import CalibrationWarning, EbmoodError, EnergyDetector, InputError, SelfTestWarning
from ebmood.detector.parameters import split_rows


def test_it_tells_malignant_from_benign(fitted, malignant, benign):
    """Fitted on most benign rows; the rank of real outliers it never saw."""
    scores = np.concatenate([fitted.score_samples(malignant), fitted.score_samples(benign)])
    is_benign = np.repeat([0, 1], [len(malignant), len(benign)])
    assert roc_auc_score(is_benign, scores) > 0.9


def test_the_methods_agree(fitted, malignant):
    scores = fitted.score_samples(malignant)
    p = fitted.p_values(malignant)
    np.testing.assert_array_equal(fitted.decision_function(malignant), scores - fitted.offset_)
    np.testing.assert_array_equal(fitted.predict(malignant) == -1, p <= fitted.alpha)
    n = len(fitted.calibration_scores_)
    assert n == round(0.2 * 357)
    assert fitted.n_training_rows_ == 357 - n
    assert fitted.offset_ == fitted.calibration_scores_[int(0.05 * (n + 1)) - 1]
    assert ((p * (n + 1)) % 1 == 0).all()


def test_a_row_has_the_same_score_in_any_company(fitted, benign, malignant):
    """To the bit: p-values of discrete tables hang on ties."""
    rows = np.concatenate([benign, malignant])
    scores = fitted.score_samples(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(fitted.score_samples(rows[order]), scores[order])
    np.testing.assert_array_equal(fitted.score_samples(np.tile(rows, (3, 1)))[-len(rows) :], scores)
    assert fitted.score_samples(rows[7:8])[0] == scores[7]


def test_select_finds_outliers_and_few_others(fitted, benign, malignant):
    unseen = benign[:40]
    selected = fitted.select(np.concatenate([malignant, unseen]), fdr=0.2)
    assert selected.dtype == bool
    assert selected[: len(malignant)].mean() > 0.3
    with pytest.raises(InputError, match="fdr=2"):
        fitted.select(malignant, fdr=2)


def test_rows_are_the_same_from_every_library(quick):
    x, _ = load_wine(return_X_y=True)
    names = [f"column {j}" for j in range(x.shape[1])]
    detector = EnergyDetector(energy=quick, random_state=1).fit(pd.DataFrame(x, columns=names))
    again = EnergyDetector(energy=quick, random_state=1).fit(pl.DataFrame(x, schema=names))
    plain = EnergyDetector(energy=quick, random_state=1).fit(torch.tensor(x))
    scores = detector.score_samples(pl.DataFrame(x, schema=names))
    np.testing.assert_array_equal(again.score_samples(pd.DataFrame(x, columns=names)), scores)
    np.testing.assert_array_equal(plain.score_samples(x.tolist()), scores)
    assert detector.feature_names_in_.tolist() == names
    assert detector.column_labels() == tuple(names)
    assert plain.column_labels()[3] == "x3"
    with pytest.raises(InputError, match="another order"):
        detector.predict(pd.DataFrame(x, columns=names)[names[::-1]])


def test_refitting_forgets_the_names_and_classes_of_before(quick):
    x, y = load_wine(return_X_y=True)
    detector = EnergyDetector(energy=quick, random_state=0, supervised=True).fit(
        pd.DataFrame(x).add_prefix("c"), y
    )
    detector.set_params(supervised=False).fit(x)
    assert not hasattr(detector, "feature_names_in_")
    with pytest.raises(InputError, match="fitted without classes"):
        detector.class_p_values(x)


def test_in_a_pipeline_a_grid_search_a_clone_and_a_pickle(benign, quick, tmp_path):
    pipeline = make_pipeline(StandardScaler(), EnergyDetector(energy=quick, random_state=0))
    grid = GridSearchCV(
        pipeline,
        {"energydetector__alpha": [0.05, 0.5]},
        scoring=lambda fitted, X, y=None: (fitted.predict(X) == 1).mean(),
        cv=2,
    ).fit(benign)
    assert grid.best_params_ == {"energydetector__alpha": 0.05}  # the level that accepts more benign rows
    twin = clone(grid.best_estimator_).fit(benign)
    joblib.dump(grid.best_estimator_, tmp_path / "pipeline.joblib")
    loaded = joblib.load(tmp_path / "pipeline.joblib")
    for other in (twin, loaded):
        np.testing.assert_array_equal(other.score_samples(benign), grid.best_estimator_.score_samples(benign))


def test_calibration_rows_influence_nothing_but_calibration(benign, quick):
    """Make them absurd: the scores of other rows stay the same to the bit."""
    detector = EnergyDetector(energy=quick, random_state=3).fit(benign)
    held_out = np.isin(detector.score_samples(benign), detector.calibration_scores_)
    assert held_out.sum() == len(detector.calibration_scores_)
    changed = benign.copy()
    changed[held_out] = 1e6
    with warnings.catch_warnings(action="ignore"):
        other = EnergyDetector(energy=quick, random_state=3).fit(changed)
    np.testing.assert_array_equal(other.score_samples(benign), detector.score_samples(benign))
    assert not np.array_equal(other.calibration_scores_, detector.calibration_scores_)


def test_too_few_calibration_rows_are_told_with_the_rows_needed(benign, quick):
    with pytest.warns(
        CalibrationWarning, match=r"needs 19 calibration rows, and there are 10.*95 rows"
    ) as caught:
        detector = EnergyDetector(energy=quick, random_state=0).fit(benign[:50])
    assert "calibration=19" in str(caught[0].message)
    assert detector.offset_ == -np.inf
    assert (detector.predict(benign + 1e6) == 1).all()
    assert detector.p_values(benign[:1] + 1e6)[0] == 1 / 11
    enough = EnergyDetector(energy=quick, random_state=0, calibration=19).fit(benign[:50])
    assert (enough.predict(benign + 1e6) == -1).all()


def test_supervised_classes_have_p_values_of_their_own(quick):
    x, y = load_wine(return_X_y=True)
    names = np.array(["barolo", "grignolino", "barbera"])[y]
    detector = EnergyDetector(energy=quick, random_state=0, supervised=True, calibration=0.4).fit(x, names)
    p = detector.class_p_values(x)
    assert detector.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert p.shape == (len(x), 3)
    of_own = p[np.arange(len(x)), np.searchsorted(detector.classes_, names)]
    assert of_own.mean() > 3 * (p.sum(axis=1) - of_own).mean() / 2
    assert sum(len(scores) for scores in detector.class_calibration_scores_) == len(
        detector.calibration_scores_
    )


def test_y_is_ignored_unless_supervised(benign, quick):
    a = EnergyDetector(energy=quick, random_state=0).fit(benign, np.full(len(benign), "nonsense"))
    b = EnergyDetector(energy=quick, random_state=0).fit(benign)
    np.testing.assert_array_equal(a.score_samples(benign), b.score_samples(benign))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y"),
        ([0] * 178, "1 class"),
        ([0, 1], r"shape \(178,\)"),
        ([0.5] * 178, "row 0: 0.5.*continuous"),
        ([0.0] * 177 + [np.nan], "row 177"),
        ([0] * 177 + [1], "class 1 has [01] of 142 training rows"),
        (["a"] * 177 + [1.5], "row"),
        (np.array(["a"] * 177 + [None], dtype=object), "row 177"),
    ],
)
def test_classes_that_cannot_be_learnt(y, message, quick):
    x, _ = load_wine(return_X_y=True)
    with pytest.raises(InputError, match=message) as caught:
        EnergyDetector(energy=quick, supervised=True, random_state=0).fit(x, y)
    assert "\n" not in str(caught.value)


def test_images_are_rows_too(quick):
    draw = np.random.default_rng(0)
    images = draw.normal(size=(80, 1, 4, 4)).clip(-2, 2)
    detector = EnergyDetector(energy=quick, random_state=0, calibration=0.3).fit(images)
    assert detector.n_features_in_ == 16
    spoilt = images[:5].copy()
    spoilt[:, 0, 2, 3] = 30
    gains = detector.feature_contributions(spoilt)
    assert gains.shape == spoilt.shape
    assert (gains.reshape(5, -1).argmax(axis=1) == 11).all()
    with pytest.raises(
        InputError, match=r"rows of shape \(16,\), but the detector was fitted on rows of shape \(1, 4, 4\)"
    ):
        detector.predict(images.reshape(80, 16))


class Saturating(nn.Module):
    """Far away it gives what it gives near the data: nothing after it could tell."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(30, 4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return self.dropout(torch.sin(self.linear(x / 1000)))


class Lengths(nn.Module):
    def forward(self, texts):
        return torch.tensor([[len(text), text.count("e")] for text in texts], dtype=torch.float32)


def test_an_embedding_of_the_user_is_used_as_it_is(benign, quick):
    torch.manual_seed(0)
    module = Saturating().train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=module, random_state=0).fit(benign)
    scores = detector.score_samples(benign)
    np.testing.assert_array_equal(detector.score_samples(benign), scores)  # dropout is off
    assert module.training
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())
    with torch.no_grad():
        module.linear.weight.zero_()
    np.testing.assert_array_equal(detector.score_samples(benign), scores)  # it is a copy
    assert detector.feature_contributions(benign[:2]).shape == (2, 30)


class Blind(nn.Module):
    """Sees only the phase of a fast wave, which is the same near the data and far away."""

    def forward(self, x):
        return torch.sin(x[:, :3] * 1000)


def test_the_self_test_says_which_probes_pass_for_ordinary_and_how_often(fitted, benign, quick):
    with pytest.warns(SelfTestWarning) as caught:
        detector = EnergyDetector(energy=quick, embed=Blind(), random_state=0).fit(benign)
    by_name = {probe.name: probe for probe in detector.probes_}
    assert list(by_name) == ["uniform", "gaussian", "constant", "far"]
    assert by_name["uniform"].in_distribution > 0.5
    assert by_name["far"].in_distribution == 0  # beyond 100 ranges no embedding is believed
    said = [str(warning.message) for warning in caught]
    assert any(f"{by_name['uniform'].in_distribution:.1%} of 256 `uniform` probes" in line for line in said)
    assert not any("`far`" in line for line in said)
    assert [probe.in_distribution for probe in fitted.probes_] == [0, 0, 0, 0]


def test_calibration_rows_that_are_far_out_score_as_they_will_again(benign, quick):
    rows = benign.copy()
    rows[::5] += 500 * np.ptp(benign, axis=0)
    kept = np.isin(np.arange(len(rows)), split_rows(0.2, len(rows), 4)[1])
    rows[~kept] = benign[~kept]
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=Saturating(), random_state=4).fit(rows)
    np.testing.assert_array_equal(np.sort(detector.score_samples(rows[kept])), detector.calibration_scores_)


def test_an_embedding_takes_anything_at_all(quick):
    draw = np.random.default_rng(0)
    texts = ["e" * draw.integers(5) + "x" * draw.integers(10, 20) for _ in range(200)]
    detector = EnergyDetector(energy=quick, embed=Lengths(), random_state=0).fit(texts)
    assert detector.predict(["x" * 15, "e" * 400]).tolist() == [1, -1]
    assert not hasattr(detector, "n_features_in_")
    assert detector.probes_ == ()
    with pytest.raises(InputError, match="arrays of floating-point numbers"):
        detector.feature_contributions(texts)
    with pytest.raises(InputError, match="another kind of input"):
        detector.predict(np.zeros((2, 2)))


def test_codes_of_words_reach_the_embedding_as_they_are(quick):
    module = nn.Sequential(nn.Embedding(50, 8), nn.Flatten())
    codes = torch.randint(0, 25, (150, 3), generator=torch.Generator().manual_seed(0))
    detector = EnergyDetector(energy=quick, embed=module, random_state=0).fit(codes)
    assert detector.score_samples(codes).shape == (150,)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Flatten(0), "one row for each"),
        (nn.LSTM(30, 2), "gave tuple"),
        (nn.Threshold(1e9, float("nan")), "NaN or infinity for row 0"),
        (len, "must be a torch.nn.Module"),
    ],
)
def test_embeddings_that_cannot_be_used(module, message, benign, quick):
    with pytest.raises(InputError, match=message):
        EnergyDetector(energy=quick, embed=module).fit(benign)


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("supervised", [False, True])
def test_a_row_a_thousand_ranges_away_never_scores_above_the_median(embedded, supervised, quick):
    x, y = load_wine(return_X_y=True)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(13, 4), nn.Tanh()) if embedded else None
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, embed=module, supervised=supervised, random_state=0).fit(x, y)
    width = np.ptp(x, axis=0)
    one = np.concatenate([x[:13] + 1001 * np.diag(width), x[:13] - 1001 * np.diag(width)])
    everywhere = np.stack([x[0] + 1001 * width, x[0] - 1001 * width, x[0] + 1e6 * width, np.full(13, 1e300)])
    assert detector.score_samples(np.concatenate([one, everywhere])).max() < np.median(
        detector.score_samples(x)
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha=0"),
        ({"calibration": 1.0}, "calibration=1.0"),
        ({"calibration": 0}, "calibration=0"),
        ({"calibration": "half"}, "calibration='half'"),
        ({"calibration": True}, "calibration=True"),
        ({"calibration": 356}, "357 samples, of which 356 to be held out for calibration; give 358 or more"),
        ({"gamma": -1}, "gamma=-1"),
        ({"energy": {"steps": 1}}, "must be EnergySettings"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"random_state": "dice"}, "random_state='dice'"),
    ],
)
def test_parameters_that_cannot_be_used(parameters, message, benign):
    with pytest.raises(InputError, match=message):
        EnergyDetector(**parameters).fit(benign)


def test_a_huge_value_can_be_scored_but_not_fitted(fitted, benign):
    row = benign[:1].copy()
    row[0, 4] = 1e300
    assert np.isfinite(fitted.score_samples(row)).all()
    assert fitted.predict(row)[0] == -1
    with pytest.raises(InputError, match=r"row 357, column 4: 1e\+300 is too large to fit.*--drop"):
        EnergyDetector().fit(np.concatenate([benign, row]))


def test_one_row_is_enough_to_score_and_too_few_to_fit(fitted, benign):
    assert fitted.predict(benign[:1]).shape == (1,)
    with pytest.raises(EbmoodError, match="1 sample, of which 1 to be held out"):
        EnergyDetector().fit(benign[:1])


def test_randomness_is_the_seed_s_alone(benign, quick):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a = EnergyDetector(energy=quick, random_state=np.random.RandomState(5)).fit(benign)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    b = EnergyDetector(energy=quick, random_state=a.seed_).fit(benign)
    np.testing.assert_array_equal(a.score_samples(benign), b.score_samples(benign))
    c = EnergyDetector(energy=quick, random_state=a.seed_ + 1).fit(benign)
    assert not np.array_equal(a.score_samples(benign), c.score_samples(benign))
