"""Every score that pytorch-ood has, at equal hyperparameters and on the same outputs: equal AUROC."""

import warnings

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import (
    classifier_outputs,
    labelled_rows,
    other_rows,
    outputs_of,
    trained_classifier,
)
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ebmood.scores import (
    ASH,
    FDBD,
    GEN,
    KNN,
    NCI,
    Energy,
    KLMatching,
    Mahalanobis,
    MaxLogit,
    MaxSoftmax,
    Odin,
    Outputs,
    ReAct,
    RelativeMahalanobis,
    Scale,
    Score,
    ViM,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports
    theirs = pytest.importorskip(
        "pytorch_ood.detector", reason="needs pytorch-ood: pip install 'ebmood[bench]'"
    )

SAME = 1e-4
"""Largest difference of two AUROCs."""

pytestmark = pytest.mark.filterwarnings("ignore")


def auroc(new: Tensor | np.ndarray, other: Tensor | np.ndarray) -> float:
    scores = np.concatenate([np.asarray(new), np.asarray(other)])
    return float(roc_auc_score(np.repeat([1, 0], [len(new), len(other)]), scores))


def our_auroc(score: Score) -> float:
    data = classifier_outputs()
    fitted = score.fit(data.fit)
    return auroc(fitted.score_samples(data.new), fitted.score_samples(data.other))


def head() -> torch.nn.Linear:
    """Return a copy of the last layer in float64."""
    layer, copy = trained_classifier().head, torch.nn.Linear(12, 4).double()
    copy.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    return copy.requires_grad_(False)


def of_maps(maps: Tensor) -> Tensor:
    return head()(maps.flatten(1))


def maps(features: Tensor) -> Tensor:
    return features[:, :, None, None]


LOGIT_SCORES = [
    (MaxSoftmax(), lambda: theirs.MaxSoftmax(None)),
    (MaxLogit(), lambda: theirs.MaxLogit(None)),
    (Energy(), lambda: theirs.EnergyBased(None)),
    (Energy(temperature=3.0), lambda: theirs.EnergyBased(None, t=3.0)),
    (KLMatching(), lambda: theirs.KLMatching(None)),
]


@pytest.mark.parametrize(
    ("score", "detector"),
    LOGIT_SCORES,
    ids=[f"{score.kind}-{k}" for k, (score, _) in enumerate(LOGIT_SCORES)],
)
def test_a_score_of_logits_equals_that_of_pytorch_ood(score, detector):
    data, other = classifier_outputs(), detector()
    if hasattr(other, "fit_logits"):
        other.fit_logits(data.fit.outputs.logits, data.fit.labels)
    expected = auroc(-other.predict_logits(data.new.logits), -other.predict_logits(data.other.logits))
    assert our_auroc(score) == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize(("gamma", "largest"), [(0.1, 100), (0.4, 2)])
def test_gen_equals_that_of_pytorch_ood_where_it_does_not_clamp_probabilities(gamma, largest):
    data, score, other = (
        classifier_outputs(),
        GEN(gamma=gamma, largest=largest),
        theirs.GEN(None, gamma, largest),
    )
    fitted = score.fit(data.fit)
    flat = [Outputs(rows.features, 0.4 * rows.logits) for rows in (data.new, data.other)]
    assert min(rows.logits.softmax(1).min() for rows in flat) > 1e-7
    expected = auroc(*(-other.predict_logits(rows.logits) for rows in flat))
    assert auroc(*(fitted.score_samples(rows) for rows in flat)) == pytest.approx(expected, abs=SAME)


FEATURE_SCORES = [
    # Their ridge is absolute and tiny, added to a sum over rows.
    (Mahalanobis(ridge=1e-12), lambda: theirs.Mahalanobis(None)),
    (RelativeMahalanobis(ridge=1e-12), lambda: theirs.RMD(None)),
    (KNN(neighbours=7), lambda: theirs.KNN(None, k=7)),
    (KNN(neighbours=50, normalise=False), lambda: theirs.KNN(None, k=50, normalize=False)),
    (ViM(dimension=6), lambda: theirs.ViM(None, d=6, w=head().weight, b=head().bias)),
    (ViM(dimension=9), lambda: theirs.ViM(None, d=9, w=head().weight, b=head().bias)),
    (FDBD(), lambda: theirs.fDBD(None, head().float())),
    (NCI(norm_weight=0.0), lambda: theirs.NCI(None, head().float(), alpha=0.0)),
    (NCI(norm_weight=0.05), lambda: theirs.NCI(None, head().float(), alpha=0.05)),
]


@pytest.mark.parametrize(
    ("score", "detector"),
    FEATURE_SCORES,
    ids=[f"{score.kind}-{k}" for k, (score, _) in enumerate(FEATURE_SCORES)],
)
def test_a_score_of_features_equals_that_of_pytorch_ood(score, detector):
    data, other = classifier_outputs(), detector()
    features = data.fit.outputs.features
    assert torch.linalg.matrix_rank(features) == features.shape[1]  # else the ridge would decide
    other.fit_features(features.float(), data.fit.labels)
    expected = auroc(
        -other.predict_features(data.new.features.float()),
        -other.predict_features(data.other.features.float()),
    )
    assert our_auroc(score) == pytest.approx(expected, abs=SAME)


MAP_SCORES = [
    (ReAct(), lambda: theirs.ReAct(None, of_maps, percentile=0.9)),
    (ReAct(percentile=70.0), lambda: theirs.ReAct(None, of_maps, percentile=0.7)),
    (ASH(variant="s", percentile=65.0), lambda: theirs.ASH(None, of_maps, "ash-s", 0.65)),
    (ASH(variant="p", percentile=60.0), lambda: theirs.ASH(None, of_maps, "ash-p", 0.6)),
    (ASH(variant="b", percentile=65.0), lambda: theirs.ASH(None, of_maps, "ash-b", 0.65)),
    (Scale(), lambda: theirs.SCALE(None, of_maps, 0.85)),
    (Scale(percentile=50.0), lambda: theirs.SCALE(None, of_maps, 0.5)),
]


@pytest.mark.parametrize(
    ("score", "detector"), MAP_SCORES, ids=[f"{score.kind}-{k}" for k, (score, _) in enumerate(MAP_SCORES)]
)
def test_a_score_of_feature_maps_equals_that_of_pytorch_ood(score, detector):
    data, other = classifier_outputs(), detector()
    if hasattr(other, "fit_feature_maps"):
        other.fit_feature_maps(maps(data.fit.outputs.features), data.fit.labels)
    expected = auroc(
        -other.predict_feature_maps(maps(data.new.features)),
        -other.predict_feature_maps(maps(data.other.features)),
    )
    assert our_auroc(score) == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize(("step", "temperature"), [(0.0014, 1000.0), (0.1, 10.0), (0.0, 1.0)])
def test_odin_equals_that_of_pytorch_ood(step, temperature):
    model, ours = trained_classifier(), Odin(step=step, temperature=temperature)
    new, other = labelled_rows(200, seed=2)[0], other_rows(200, seed=3)
    detector = theirs.ODIN(model, eps=step, temperature=temperature)
    fitted = ours.fit(classifier_outputs().fit)
    scores = [fitted.score_samples(outputs_of(model, ours.perturb(model, x))) for x in (new, other)]
    expected = auroc(-detector.predict(new), -detector.predict(other))
    assert auroc(*scores) == pytest.approx(expected, abs=SAME)
