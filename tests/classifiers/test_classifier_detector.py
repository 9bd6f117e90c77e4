"""The detector of a classifier: its p-values hold for new rows, its input may have many forms, it survives a file."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import labelled_rows, other_rows, outputs_of, trained_classifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ebmood.classifiers import ClassifierDetector
from ebmood.core.errors import CalibrationWarning, EbmoodError, InputError
from ebmood.detector.calibration_scores import CalibrationScores
from ebmood.scores import KNN, SCORES, FitRows, Odin, Score

every_score = pytest.mark.parametrize("name", [score.kind for score in SCORES])


def fitted(score: str | Score = "energy", rows: int = 300, seed: int = 1, **parameters) -> ClassifierDetector:
    x, y = labelled_rows(rows, seed)
    return ClassifierDetector(trained_classifier(), score=score, random_state=0, **parameters).fit(x, y)


@every_score
def test_every_score_is_calibrated_and_equals_its_computation_on_outputs(name):
    detector = fitted(name)
    new, _ = labelled_rows(150, seed=2)
    batch = detector.score_batch(new, alpha=0.1)
    outputs = detector.outputs(new)
    assert np.array_equal(batch.scores, detector.score_.score_samples(outputs))
    assert len(detector.calibration_.scores) == 60
    expected = (1 + (detector.calibration_.scores <= batch.scores[:, None]).sum(1)) / 61
    np.testing.assert_allclose(batch.p_values, expected)
    assert np.array_equal(batch.flags, batch.p_values <= 0.1)
    assert np.array_equal(detector.predict(new), np.where(batch.p_values <= 0.05, -1, 1))
    if name != "odin":
        torch.testing.assert_close(outputs.features, outputs_of(trained_classifier(), new).features)


@pytest.mark.parametrize("name", ["max-softmax", "mahalanobis", "knn", "joint"])
def test_new_rows_are_flagged_as_often_as_alpha_says_on_average_over_fits(name):
    new, _ = labelled_rows(400, seed=1000)
    rates = [
        np.mean(fitted(name, rows=100, seed=seed, calibration=49, alpha=0.1).predict(new) == -1)
        for seed in range(10, 50)
    ]
    assert np.mean(rates) == pytest.approx(0.1, abs=4 * np.std(rates) / math.sqrt(len(rates)))


def test_rows_of_the_training_are_flagged_more_rarely_than_new_ones_so_they_must_not_calibrate():
    torch.manual_seed(0)
    x, y = labelled_rows(60, seed=5)
    network = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 4))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    new, labels = labelled_rows(500, seed=6)
    on_training = ClassifierDetector(network, score="max-softmax", alpha=0.1, calibration=29, random_state=0)
    assert on_training.fit(x, y).accuracy_ > 0.95
    held_out = ClassifierDetector(network, score="max-softmax", alpha=0.1, calibration=199, random_state=0)
    held_out.fit(new[:250], labels[:250])
    rates = [float(np.mean(detector.predict(new[250:]) == -1)) for detector in (on_training, held_out)]
    assert rates[0] > 0.15
    assert rates[1] == pytest.approx(0.1, abs=0.05)


def test_each_predicted_class_is_compared_with_calibration_rows_of_its_own():
    detector = fitted("energy", rows=800, class_conditional=True, alpha=0.2, calibration=0.5)
    new, _ = labelled_rows(100, seed=2)
    batch, classes = detector.score_batch(new), detector.outputs(new).predicted.numpy()
    x, _ = labelled_rows(800, seed=1)
    calibration = detector.calibration_
    assert calibration.segments is not None
    for k in range(4):
        scores = calibration.scores[calibration.segments == k]
        expected = (1 + (scores <= batch.scores[classes == k, None]).sum(1)) / (1 + len(scores))
        np.testing.assert_allclose(batch.p_values[classes == k], expected)
    held = detector.outputs(x)
    assert set(np.round(calibration.scores, 6)) <= set(np.round(detector.score_.score_samples(held), 6))


@every_score
def test_a_saved_detector_has_equal_scores(tmp_path: Path, name):
    detector = fitted(name, class_conditional=True, alpha=0.1)
    detector.save(tmp_path / "model", {"from": "a test"})
    loaded = ClassifierDetector.load(tmp_path / "model", trained_classifier())
    new = torch.cat([labelled_rows(40, seed=2)[0], other_rows(20, seed=3)])
    ours, theirs = detector.score_batch(new), loaded.score_batch(new)
    assert np.array_equal(ours.scores, theirs.scores)
    assert np.array_equal(ours.p_values, theirs.p_values)
    assert np.array_equal(ours.flags, theirs.flags)
    assert loaded.notes_ == {"from": "a test"}
    assert (loaded.offset_, loaded.accuracy_, loaded.settings_) == (
        detector.offset_,
        detector.accuracy_,
        detector.settings_,
    )
    assert not list((tmp_path / "model").glob("*.pkl"))


def test_other_weights_and_a_changed_file_are_refused_in_one_line(tmp_path: Path):
    folder = tmp_path / "model"
    fitted().save(folder)
    other = type(trained_classifier())()
    with pytest.raises(InputError, match="the weights of SmallClassifier differ"):
        ClassifierDetector.load(folder, other)
    document = json.loads((folder / "classifier.json").read_text())
    document["detector"]["alpha"] = 0.5
    (folder / "classifier.json").write_text(json.dumps(document))
    with pytest.raises(EbmoodError, match="changed since it was written"):
        ClassifierDetector.load(folder, trained_classifier())
    with pytest.raises(EbmoodError, match="not a saved detector of a classifier"):
        ClassifierDetector.load(tmp_path, trained_classifier())


def test_a_detector_of_another_kind_is_named(tmp_path: Path):
    from ebmood.detector import load

    fitted().save(tmp_path)
    with pytest.raises(
        EbmoodError, match=r"a detector of a classifier.* load it with ClassifierDetector\.load"
    ):
        load(tmp_path)


def test_arrays_tensors_loaders_and_batches_give_equal_scores():
    x, y = labelled_rows(200, seed=1)
    new, _ = labelled_rows(70, seed=2)
    expected = ClassifierDetector(trained_classifier(), score="mahalanobis", random_state=0).fit(x, y)
    loader = DataLoader(TensorDataset(x, y), batch_size=64)
    of_loader = ClassifierDetector(trained_classifier(), score="mahalanobis", random_state=0).fit(loader)
    scores = expected.score_samples(new)
    for same in (new.numpy(), new.numpy().astype(np.float64), iter(new.split(64)), [(new, torch.zeros(70))]):
        np.testing.assert_allclose(expected.score_samples(same), scores, rtol=1e-5)
    np.testing.assert_allclose(of_loader.score_samples(new), scores, rtol=1e-5)


def test_the_step_of_odin_is_chosen_by_rows_of_the_fit_and_kept():
    detector = fitted("odin")
    assert isinstance(detector.settings_, Odin)
    assert detector.settings_.step is not None
    assert detector.score == Odin()
    given = ClassifierDetector(trained_classifier(), score=Odin(step=0.01), random_state=0)
    assert given.fit(*labelled_rows(100, seed=1)).settings_ == Odin(step=0.01)


def test_a_named_layer_gives_other_features_and_no_head():
    x, y = labelled_rows(200, seed=1)
    detector = ClassifierDetector(trained_classifier(), "body.2", score=KNN(neighbours=3), random_state=0)
    detector.fit(x, y)
    assert detector.outputs(x).features.shape == (200, 24)
    with pytest.raises(InputError, match="'vim' needs the last linear layer"):
        ClassifierDetector(trained_classifier(), "body.2", score="vim").fit(x, y)


def test_logits_after_the_last_linear_layer_have_no_head():
    class Cooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = trained_classifier()

        def forward(self, x):
            return self.inner(x) / 2

    x, y = labelled_rows(200, seed=1)
    assert ClassifierDetector(Cooled(), score="joint", random_state=0).fit(x, y).score_batch(
        x
    ).scores.shape == (200,)
    with pytest.raises(InputError, match="'react' needs the last linear layer"):
        ClassifierDetector(Cooled(), score="react").fit(x, y)


def test_the_model_of_the_user_is_not_changed():
    model = type(trained_classifier())()
    model.train()
    x, _ = labelled_rows(100, seed=1)
    ClassifierDetector(model, score="odin", random_state=0).fit(x).p_values(x)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"layer": "body.9"}, "has no layer 'body.9'; its layers are: body, body.0, body.1"),
        ({"score": "soft"}, "score='soft': unknown; the scores are max-softmax"),
        ({"score": 3}, "score=3: must be"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"calibration": "loo"}, "calibration='loo'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_parameters_that_cannot_be_used(parameters, message):
    with pytest.raises(EbmoodError) as caught:
        ClassifierDetector(trained_classifier(), **parameters)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def with_nan() -> torch.Tensor:
    x, _ = labelled_rows(100, seed=1)
    x[77, 2] = torch.nan
    return x


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (with_nan(), None, "X: row 77: the features are not finite; the input is NaN or infinite"),
        (torch.full((80, 6), 3e38), None, "X: row 0: the features are not finite; the network computes NaN"),
        (torch.zeros(50, 7), None, "refuses rows 0 to 49 of shape (7,)"),
        (torch.zeros(0, 6), None, "X: no rows"),
        (np.array([["a"]]), None, "an array of <U1 values"),
        ("rows.csv", None, "X: str is not an array"),
        ([torch.zeros(3, 6), "b"], None, "X: batch 1: str is not an array"),
        ([(torch.zeros(3, 6), [0, 1])], None, "X: batch 0: labels of shape (2,) for 3 inputs"),
        ([(torch.zeros(3, 6),)], None, "X: batch 0: a sequence of 1 elements"),
        (torch.zeros(50, 6), np.full(50, 4), "labels: row 0: 4; must be from 0 to 3"),
        (torch.zeros(50, 6), np.zeros(49), "labels: have shape (49,), but there are 50 rows"),
        (torch.zeros(3, 6), None, "3 samples, of which 1 is for calibration"),
    ],
)
@pytest.mark.filterwarnings("ignore::ebmood.core.errors.CalibrationWarning")
def test_rows_that_cannot_be_used(X, y, message):
    detector = ClassifierDetector(trained_classifier(), score="energy", batch_size=50)
    if message.startswith("3 samples"):
        detector.fit(X, y)
        X = X[:2]
        message = "2 samples"
    with pytest.raises(InputError) as caught:
        detector.fit(X, y)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_without_logits_and_a_score_without_labels():
    x, _ = labelled_rows(100, seed=1)
    with pytest.raises(
        EbmoodError, match=r"returns a tensor of shape .* for 64 inputs; a classifier must return"
    ):
        ClassifierDetector(nn.Sequential(nn.Linear(6, 3), nn.Unflatten(1, (3, 1))), score="energy").fit(x)
    with pytest.raises(InputError, match="score 'mahalanobis' needs them"):
        ClassifierDetector(trained_classifier(), score="mahalanobis").fit(x)
    with pytest.raises(InputError, match="call fit"):
        ClassifierDetector(trained_classifier()).p_values(x)


def test_too_few_calibration_rows_warn_with_the_number_that_is_needed():
    x, y = labelled_rows(40, seed=1)
    with pytest.warns(CalibrationWarning, match="alpha=0.05 needs 19 calibration rows, but there are only 8"):
        ClassifierDetector(trained_classifier(), score="energy", calibration=0.2).fit(x, y)
    detector = ClassifierDetector(trained_classifier(), score="energy").fit(x, y)
    assert len(detector.calibration_scores_) == 19


def test_recalibration_makes_p_values_hold_for_other_rows_and_keeps_scores(tmp_path: Path):
    """A shift of the inputs raises the false alarms, until rows with the shift calibrate."""
    shifted = [labelled_rows(500, seed)[0] + 3 for seed in (31, 32)]
    detector = fitted("knn", alpha=0.1)
    scores = detector.score_samples(shifted[1])
    assert (detector.predict(shifted[1]) == -1).mean() > 0.3
    assert detector.recalibrate(shifted[0]) is detector
    np.testing.assert_array_equal(detector.score_samples(shifted[1]), scores)
    assert len(detector.calibration_scores_) == 500
    assert (detector.predict(shifted[1]) == -1).mean() == pytest.approx(0.1, abs=0.06)
    detector.save(tmp_path / "model")
    loaded = ClassifierDetector.load(tmp_path / "model", trained_classifier())
    np.testing.assert_array_equal(loaded.p_values(shifted[1]), detector.p_values(shifted[1]))
    with pytest.warns(CalibrationWarning, match=r"needs 9 .* only 5, .*give 9 rows or more"):
        detector.recalibrate(shifted[0][:5])


def test_the_advice_for_few_rows_does_not_name_leave_one_out_which_is_refused():
    with pytest.warns(CalibrationWarning, match="will be flagged; give 38 rows or more$"):
        ClassifierDetector(trained_classifier(), score="energy").fit(*labelled_rows(30, seed=1))


def test_selected_rows_are_mostly_other_rows():
    detector = fitted("joint", rows=1500)
    new, other = labelled_rows(100, seed=2)[0], 20 * other_rows(100, seed=3)
    chosen = detector.select(torch.cat([new, other]), fdr=0.2)
    assert chosen[100:].mean() > 0.8
    assert chosen[:100].sum() < 0.4 * chosen.sum()


def test_scores_of_new_rows_are_those_of_the_fit_on_the_same_rows():
    """The split, the fit and the calibration put together again from their parts."""
    from ebmood.detector.parameters import split_rows

    detector = fitted("knn")
    x, y = labelled_rows(300, seed=1)
    outputs = outputs_of(trained_classifier(), x)
    fit, calibration = (torch.from_numpy(part) for part in split_rows(0.2, 300, 0))
    score = KNN().fit(FitRows(outputs.take(fit), y[fit]))
    expected = CalibrationScores.of_rows(score.score_samples(outputs.take(calibration)))
    np.testing.assert_allclose(detector.calibration_.scores, expected.scores, atol=1e-6)
    assert detector.n_fit_rows_ == 240
    detector.set_alpha(0.2)
    assert detector.offset_ == pytest.approx(expected.offset(0.2), abs=1e-6)
    assert detector.false_alarm_rate_ == pytest.approx(12 / 61)


def test_the_representation_is_one_line():
    x, y = labelled_rows(300, 1)
    detector = ClassifierDetector(trained_classifier(), score="knn", random_state=0)
    assert re.fullmatch(r"<ClassifierDetector of \w+, score knn, not fitted>", repr(detector))
    shown = repr(detector.fit(x, y))
    assert re.fullmatch(
        r"<ClassifierDetector of \w+, score knn, fitted on 240 rows and 60 calibration rows, alpha=0.05>",
        shown,
    )
