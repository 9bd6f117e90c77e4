"""The scores of a classifier and of images are watched as those of rows are."""

import hashlib

import numpy as np
import pytest
from helpers.classifier_outputs import labelled_rows, other_rows, trained_classifier
from helpers.filter_embedder import FilterEmbedder
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader, TensorDataset

from ebmood.classifiers import ClassifierDetector
from ebmood.core.errors import InputError
from ebmood.data.images.textures import damage_images, make_textures
from ebmood.detector import EnergyDetector, PatchDetector, PatchSettings
from ebmood.monitoring import Monitor


def of_classifier(**parameters) -> ClassifierDetector:
    x, y = labelled_rows(600, 1)
    return ClassifierDetector(trained_classifier(), score="knn", random_state=0, **parameters).fit(x, y)


@pytest.mark.parametrize("class_conditional", [False, True])
def test_a_feed_of_a_classifier_is_watched(class_conditional, tmp_path):
    detector = of_classifier(class_conditional=class_conditional)
    monitor = Monitor(detector, 0.01)
    normal, label = labelled_rows(600, 2)
    state = monitor.update(normal[:300], label="Monday")
    assert state.alarm is None
    assert monitor.stream_names == ("score",)
    assert monitor.feature_names == ()
    assert state.batch.flagged == (detector.predict(normal[:300]) == -1).sum()
    monitor.save(tmp_path / "feed")
    monitor = Monitor.load(tmp_path / "feed", of_classifier(class_conditional=class_conditional))
    monitor.update(DataLoader(TensorDataset(normal[300:], label[300:]), 64))
    state = monitor.update(other_rows(300, 3), label="Tuesday")
    assert (state.alarm.change_label, state.alarm.label) == ("Tuesday", "Tuesday")
    assert abs(state.alarm.change - 600) < 50


def test_a_feed_of_images_is_watched():
    rng = np.random.default_rng(0)
    images = make_textures("leather", 180, rng, 64)
    damaged, _ = damage_images(make_textures("leather", 40, rng, 64), "blot", rng)
    detector = PatchDetector(embed=FilterEmbedder(), patches=PatchSettings(patches=400), random_state=0)
    monitor = Monitor(detector.fit(images[:120]))
    assert monitor.update(images[120:]).alarm is None
    assert monitor.update(damaged).alarm.change == pytest.approx(60, abs=10)


def test_features_of_such_detectors_are_not_compared():
    with pytest.raises(InputError, match=r"^reference: ClassifierDetector has no features"):
        Monitor(of_classifier(), reference=labelled_rows(10, 1)[0])


def test_a_detector_that_is_not_fitted_is_named():
    with pytest.raises(InputError, match="is not fitted"):
        Monitor(ClassifierDetector(trained_classifier()))
    for detector in (EnergyDetector(), PatchDetector(embed=FilterEmbedder())):
        with pytest.raises(NotFittedError):
            Monitor(detector)


def test_a_digest_recognises_what_the_scores_and_p_values_depend_on(tmp_path):
    detector = of_classifier()
    detector.save(tmp_path / "model")
    loaded = ClassifierDetector.load(tmp_path / "model", trained_classifier())
    assert loaded.digest() == detector.digest() == of_classifier().digest()
    assert of_classifier(class_conditional=True).digest() != detector.digest()
    assert loaded.recalibrate(labelled_rows(300, 7)[0]).digest() != detector.digest()
    rows = np.random.default_rng(0).normal(size=(100, 2))
    of_rows = EnergyDetector(random_state=0).fit(rows)
    assert of_rows.digest() == EnergyDetector(random_state=0).fit(rows).digest()
    assert of_rows.digest() != EnergyDetector(random_state=1).fit(rows).digest()


def test_the_digest_of_a_detector_of_rows_is_that_of_earlier_versions():
    """The monitors that versions before 0.8.2 saved have it."""
    detector = EnergyDetector(random_state=0).fit(np.random.default_rng(0).normal(size=(100, 2)))
    content = hashlib.sha256(detector.calibration_scores_.tobytes())
    content.update(repr((("x0", "x1"), [])).encode())
    for name, tensor in sorted(detector.model_.state_dict().items()):
        content.update(name.encode())
        content.update(tensor.numpy().tobytes())
    assert detector.digest() == content.hexdigest()
