"""A detector on a CUDA device agrees with the same detector on the CPU. Skipped without a CUDA device."""

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
def test_a_detector_fitted_on_cuda_scores_equally_on_the_cpu(supervised, tmp_path):
    detector = EnergyDetector(random_state=0, device="cuda", supervised=supervised).fit(ROWS, CLASSES)
    detector.save(tmp_path / "model")
    on_cpu = load(tmp_path / "model")
    assert on_cpu.model_.memory.device.type == "cpu"
    np.testing.assert_allclose(
        on_cpu.score_samples(OTHERS), detector.score_samples(OTHERS), rtol=1e-5, atol=1e-5
    )
    # The count can differ by one if a score nearly equals a calibration score.
    step = 1 / (1 + len(on_cpu.calibration_scores_))
    np.testing.assert_allclose(on_cpu.p_values(OTHERS), detector.p_values(OTHERS), rtol=0, atol=1.01 * step)
    gains = on_cpu.feature_contributions(ROWS[:20]), detector.feature_contributions(ROWS[:20])
    np.testing.assert_allclose(*gains, rtol=1e-3, atol=1e-4)


def test_a_row_has_the_same_score_in_every_batch(quick):
    detector = EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS)
    scores = detector.score_samples(OTHERS)
    order = np.random.default_rng(0).permutation(len(OTHERS))
    np.testing.assert_array_equal(detector.score_samples(OTHERS[order]), scores[order])
    assert detector.score_samples(OTHERS[7:8])[0] == scores[7]


def test_two_fits_with_one_seed_are_equal(quick):
    first, second = (
        EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS).score_samples(OTHERS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_a_detector_on_cuda_can_be_exported(quick, tmp_path):
    from ebmood.detector.persistence.onnx_export import export_onnx

    detector = EnergyDetector(energy=quick, random_state=0, device="cuda").fit(ROWS)
    export_onnx(detector, tmp_path / "model.onnx")  # compares the graph with the detector


def test_images_with_an_embedding_on_cuda(quick):
    images = np.random.default_rng(0).uniform(size=(120, 1, 8, 8)).astype(np.float32)
    torch.manual_seed(0)
    embed = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 6))
    detector = EnergyDetector(energy=quick, random_state=0, device="cuda", embed=embed)
    with warnings.catch_warnings(action="ignore"):
        detector.fit(images)
    distant = np.clip(images + 2, 0, 5)
    assert np.median(detector.score_samples(distant)) < np.median(detector.score_samples(images))
