"""The summary of a detector is the same before it is saved, after, and after it is loaded."""

import warnings

import numpy as np
import pytest
from helpers.pump_model import pump_table
from helpers.quick_energy import QUICK

from ebmood.detector import EnergyDetector
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.persistence.detector_files import read_detector
from ebmood.detector.raw.summary import summarise, summarise_detector
from ebmood.detector.raw.table_detector import TableDetector


@pytest.mark.parametrize("has_names", [True, False])
def test_a_summary_does_not_depend_on_a_save(tmp_path, has_names):
    estimator = EnergyDetector(energy=QUICK, random_state=0)
    with warnings.catch_warnings(action="ignore"):  # the self-test
        if has_names:
            detector = TableDetector.fit(estimator, FrameStream(pump_table(200, 0)))
        else:
            detector = TableDetector(estimator.fit(np.random.default_rng(0).normal(size=(200, 3))), None)
    before = summarise_detector(detector)
    detector.save(tmp_path / "model")
    assert summarise(read_detector(tmp_path / "model")[0], "model") == before
    assert summarise_detector(TableDetector.load(tmp_path / "model")) == before
    assert before["training_rows"] == 160
    assert set(before["sha256"]) == {"score"}
