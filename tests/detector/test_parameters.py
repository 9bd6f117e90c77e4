import numpy as np
import pytest

from ebmood import CalibrationWarning, EbmoodError, EnergyDetector, EnergySettings, InputError
from ebmood.detector.parameters import split_rows


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha=0"),
        ({"calibration": 1.0}, "calibration=1.0"),
        ({"calibration": 0}, "calibration=0"),
        ({"calibration": "half"}, "calibration='half'"),
        ({"calibration": True}, "calibration=True"),
        ({"calibration": 356}, "357 samples, of which 356 are for calibration; give 358 or more"),
        ({"energy": {"steps": 1}}, "must be EnergySettings"),
        ({"speed": "warp"}, "speed='warp': must be 'default' or 'fast'"),
        ({"speed": "fast", "energy": EnergySettings()}, "speed and energy"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"random_state": "dice"}, "random_state='dice'"),
    ],
)
def test_invalid_parameters_are_refused(parameters, message, benign):
    with pytest.raises(InputError, match=message):
        EnergyDetector(**parameters).fit(benign)


def test_a_warning_says_how_many_calibration_rows_are_needed(benign, quick):
    message = r"needs 19 calibration rows, but there are only 10.*95 rows.*calibration=19"
    with pytest.warns(CalibrationWarning, match=message):
        detector = EnergyDetector(energy=quick, random_state=0).fit(benign[:50])
    assert detector.offset_ == -np.inf
    assert (detector.predict(benign + 1e6) == 1).all()
    assert detector.p_values(benign[:1] + 1e6)[0] == 1 / 11
    enough = EnergyDetector(energy=quick, random_state=0, calibration=19).fit(benign[:50])
    assert (enough.predict(benign + 1e6) == -1).all()


def test_a_row_is_either_for_training_or_for_calibration():
    training, calibration = split_rows(0.3, 100, seed=5)
    assert len(calibration) == 30
    assert sorted([*training, *calibration]) == list(range(100))
    assert not np.array_equal(calibration, split_rows(0.3, 100, seed=6)[1])


def test_one_row_can_be_scored_but_not_fitted(fitted, benign):
    assert fitted.predict(benign[:1]).shape == (1,)
    with pytest.raises(EbmoodError, match="1 sample, of which 1 are for calibration"):
        EnergyDetector().fit(benign[:1])


def test_fast_compares_with_fewer_points():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    fast, default = (EnergyDetector(speed=speed, random_state=0).fit(x) for speed in ("fast", "default"))
    assert len(fast.model_.memory) == len(default.model_.memory) == 1600
    assert fast.model_.layout.points == (256,)
    assert default.model_.layout.points == (1600,)
    assert (fast.predict(x + 9) == -1).all()
