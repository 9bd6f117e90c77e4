"""Calibration on the last rows."""

import numpy as np

from ebmood import EnergyDetector, load


def test_with_last_the_last_fifth_of_the_rows_calibrates(benign, tmp_path):
    detector = EnergyDetector(calibration="last", random_state=0).fit(benign)
    count = round(0.2 * len(benign))
    assert detector.n_training_rows_ == len(benign) - count
    np.testing.assert_array_equal(
        detector.calibration_scores_, np.sort(detector.score_samples(benign[-count:]))
    )
    detector.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.calibration == "last"
    np.testing.assert_array_equal(loaded.p_values(benign), detector.p_values(benign))
    loaded.partial_fit(benign[:50])
    assert len(loaded.calibration_scores_) == count + 10
