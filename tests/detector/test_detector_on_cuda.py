"""A detector that computes on a CUDA device says what one on a processor says; left out where there is none."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn

from ebmood import EnergyDetector, load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

ROWS, CLASSES = load_wine(return_X_y=True)
OTHERS = np.concatenate([ROWS[::-1], ROWS * 3, ROWS * 1e290])


@pytest.mark.parametrize("supervised", [False, True])
def test_fitted_there_and_loaded_here(supervised, tmp_path):
    detector = EnergyDetector(random_state=0, device="cuda", supervised=supervised).fit(ROWS, CLASSES)
    detector.save(tmp_path / "model")
    here = load(tmp_path / "model")
    assert here.model_.guard.device.type == "cpu"
    there = detector.score_samples(OTHERS)
    np.testing.assert_allclose(here.score_samples(OTHERS), there, rtol=1e-5, atol=1e-5)
    # One step apart where a row all but ties with one of calibration.
    step = 1 / (1 + len(here.calibration_scores_))
    np.testing.assert_allclose(here.p_values(OTHERS), detector.p_values(OTHERS), rtol=0, atol=1.01 * step)
    found = here.feature_contributions(ROWS[:20]), detector.feature_contributions(ROWS[:20])
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4)


def test_a_row_has_the_same_score_in_any_company(quick):
    detector = EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS)
    scores = detector.score_samples(OTHERS)
    order = np.random.default_rng(0).permutation(len(OTHERS))
    np.testing.assert_array_equal(detector.score_samples(OTHERS[order]), scores[order])
    assert detector.score_samples(OTHERS[7:8])[0] == scores[7]


def test_two_fits_are_one(quick):
    first, second = (
        EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS).score_samples(OTHERS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_exported_from_there(quick, tmp_path):
    from ebmood.detector.persistence.onnx_export import export_onnx

    detector = EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS)
    export_onnx(detector, tmp_path / "model.onnx")  # checks what it wrote


def test_images_and_an_embedding(quick):
    images = np.random.default_rng(0).uniform(size=(120, 1, 8, 8)).astype(np.float32)
    torch.manual_seed(0)
    embed = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6))
    detector = EnergyDetector(energy=quick, random_state=0, device="cuda", embed=embed)
    with warnings.catch_warnings(action="ignore"):  # of its self-test
        detector.fit(images)
    far = np.clip(images + 2, 0, 5)
    assert np.median(detector.score_samples(far)) < np.median(detector.score_samples(images))
