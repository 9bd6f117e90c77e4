"""Detectors that version 0.1.0 saved load, and give the scores and p-values that 0.1.0 computed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ebmood import EnergyDetector, load
from ebmood.detector.io.open_input import open_table
from ebmood.detector.saved_detector import load_saved_detector, score_input

FOLDER = Path(__file__).parent / "saved_by_0_1"
ROWS = np.loadtxt(FOLDER / "rows.csv", delimiter=",")
EXPECTED = json.loads((FOLDER / "scores.json").read_text())
TOLERANCE = (
    1e-6  # equal to the bit on one machine; the float32 networks round differently on other processors
)


def load_old(name: str) -> EnergyDetector:
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh()) if name == "embedding" else None
    return load(FOLDER / name, embed=module)


@pytest.mark.parametrize("name", ["plain", "classes", "embedding"])
def test_arrays_have_the_scores_of_0_1(name):
    detector, expected = load_old(name), EXPECTED[name]
    np.testing.assert_allclose(detector.score_samples(ROWS), expected["scores"], rtol=TOLERANCE)
    np.testing.assert_array_equal(detector.p_values(ROWS), expected["p_values"])


def test_class_p_values_are_those_of_0_1():
    p = load_old("classes").class_p_values(ROWS)
    np.testing.assert_array_equal(p, EXPECTED["classes"]["class_p_values"])


def test_a_table_has_the_scores_of_0_1():
    expected = pd.read_csv(FOLDER / "table_scores.csv")
    batches = list(score_input(load_saved_detector(FOLDER / "table"), open_table(FOLDER / "table.csv")))
    scores, p, flags = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("scores", "p_values", "flags")
    )
    np.testing.assert_allclose(scores, expected["score"], rtol=TOLERANCE)
    np.testing.assert_array_equal(p, expected["p_value"])
    np.testing.assert_array_equal(flags, expected["flag"])


def test_images_have_the_scores_of_0_1(tmp_path):
    image = pytest.importorskip("PIL.Image")
    from ebmood.detector.io.image_stream import ImageStream

    expected = EXPECTED["images"]
    for number, pixels in enumerate(expected["pixels"]):
        image.fromarray(np.array(pixels, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    batches = list(score_input(load_saved_detector(FOLDER / "images"), ImageStream.open(tmp_path)))
    np.testing.assert_allclose(
        np.concatenate([batch.scores for batch in batches]), expected["scores"], rtol=TOLERANCE
    )
    np.testing.assert_array_equal(np.concatenate([batch.p_values for batch in batches]), expected["p_values"])


def test_every_saved_tensor_has_the_name_that_the_model_expects():
    for name in ("plain", "classes", "embedding"):
        state = load_old(name).model_.state_dict()
        assert all(torch.isfinite(tensor[tensor > -torch.inf]).all() for tensor in state.values())
        assert {"columns.center", "base.means", "low", "high", "z_center", "z_scale", "guard"} <= state.keys()
