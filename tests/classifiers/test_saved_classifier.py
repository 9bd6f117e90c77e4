"""Files that do not fit; the detector's tests have the round trip."""

import json
from pathlib import Path

import pytest
from helpers.classifier_outputs import labelled_rows, trained_classifier

from ebmood.classifiers import ClassifierDetector
from ebmood.classifiers.saved_classifier import load_classifier
from ebmood.core.errors import EbmoodError
from ebmood.detector.persistence import detector_files
from ebmood.scores import JointEnergy, MemoryScore


def saved(folder: Path, **parameters) -> Path:
    detector = ClassifierDetector(trained_classifier(), random_state=0, **parameters)
    detector.fit(*labelled_rows(100, seed=1)).save(folder)
    return folder


def rewrite(folder: Path, **changes) -> None:
    """Change values of the JSON file, with the right digest."""
    path = folder / "classifier.json"
    document = json.loads(path.read_text())
    document["detector"] |= changes
    document["sha256"] = detector_files._digest(document["detector"])
    path.write_text(json.dumps(document))


def test_settings_of_a_nested_score_survive(tmp_path):
    score = JointEnergy(spaces=("whitened",), memory=MemoryScore(rows=50), logits="gen")
    metadata, fitted, _ = load_classifier(saved(tmp_path, score=score))
    assert metadata.score == fitted.score == score
    assert metadata.network_class == "SmallClassifier"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fitted_score": {"kind": "knn", "neighbours": 3, "normalise": True}},
            "the tensors do not fit the score",
        ),
        ({"score": {"kind": "crystal ball"}}, "unknown kind 'crystal ball'"),
        ({"calibration_scores": [2.0, 1.0]}, "must be finite and ascending"),
        ({"network": "abc"}, "network: String should match"),
        ({"calibration_classes": [1]}, "must have classes if"),
        ({"extra": 1}, "extra: Extra inputs"),
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path, changes, message):
    rewrite(saved(tmp_path, score="energy"), **changes)
    with pytest.raises(EbmoodError) as caught:
        load_classifier(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_scores_than_the_saved_ones_are_refused(tmp_path):
    rewrite(saved(tmp_path, score="energy"), fitted_score={"kind": "energy", "temperature": 2.0})
    with pytest.raises(EbmoodError, match="the scores differ from those saved by ebmood"):
        load_classifier(tmp_path)


def test_a_new_fit_replaces_the_files(tmp_path):
    saved(tmp_path, score="knn")
    saved(tmp_path, score="mahalanobis")
    assert len(list(tmp_path.iterdir())) == 2
    assert load_classifier(tmp_path)[0].score.kind == "mahalanobis"
