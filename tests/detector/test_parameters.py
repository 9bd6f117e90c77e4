import ast
import re
from fractions import Fraction

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from ebmood import CalibrationWarning, EbmoodError, EnergyDetector, EnergySettings, InputError, load
from ebmood.core.calibration import allowed_alarms
from ebmood.detector.parameters import (
    advise_for_calibration,
    count_calibration_rows,
    parse_calibration,
    resolve_calibration,
    split_rows,
)


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
        ({"speed": ["fast"]}, r"speed=\['fast'\]: must be 'default' or 'fast'"),
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
        detector = EnergyDetector(energy=quick, random_state=0, calibration=0.2).fit(benign[:50])
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
    with pytest.raises(EbmoodError, match="1 sample, of which 1 is for calibration"):
        EnergyDetector().fit(benign[:1])


@pytest.mark.parametrize("calibration", [0.2, 0.5, 0.9, 7, "loo", "last"])
@pytest.mark.parametrize("rows", [1, 2, 10])
def test_the_number_of_rows_that_the_message_advises_is_the_smallest_that_works(calibration, rows):
    try:
        split_rows(calibration, rows, seed=0)
    except InputError as error:
        needed = int(re.search(r"give (\d+) or more", str(error))[1])
        split_rows(calibration, needed, seed=0)
        with pytest.raises(InputError, match=f"give {needed} or more"):
            split_rows(calibration, needed - 1, seed=0)


@pytest.mark.parametrize("number", [np.float32(0.25), np.float64(0.25), Fraction(1, 4), np.int64(20)])
def test_numbers_of_any_type_are_used_and_saved(number, benign, quick, tmp_path):
    detector = EnergyDetector(energy=quick, calibration=number, alpha=0.1, random_state=0).fit(benign[:80])
    assert len(detector.calibration_scores_) == 20
    detector.save(tmp_path)
    assert load(tmp_path).calibration == number
    detector.partial_fit(benign[80:160])
    assert len(detector.calibration_scores_) == 40


def test_after_a_fit_that_failed_the_detector_is_not_fitted(benign, quick):
    detector = EnergyDetector(energy=quick, random_state=0).fit(benign)
    detector.set_params(supervised=True)
    with pytest.raises(InputError, match="y"):
        detector.fit(benign)
    with pytest.raises(NotFittedError):
        detector.score_samples(benign)


def test_a_level_at_which_no_row_can_be_flagged_is_a_warning(benign, quick):
    detector = EnergyDetector(energy=quick, random_state=0).fit(benign)
    with pytest.warns(
        CalibrationWarning, match=r"alpha=0.001 needs 999 calibration rows, but there are only 71"
    ):
        detector.set_alpha(0.001)
    segments = np.repeat([0.0, 1.0], len(benign) // 2)
    x = np.column_stack([benign[: len(segments)], segments])
    per_segment = EnergyDetector(energy=quick, segment=x.shape[1] - 1, random_state=0).fit(x)
    with pytest.warns(
        CalibrationWarning, match="needs 49 calibration rows, but 2 of 2 segments or classes have fewer"
    ):
        per_segment.set_alpha(0.02)


def test_fast_compares_with_fewer_points():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    fast, default = (EnergyDetector(speed=speed, random_state=0).fit(x) for speed in ("fast", "default"))
    assert len(fast.model_.memory) == len(default.model_.memory) == 1600
    assert fast.model_.layout.points == (256,)
    assert default.model_.layout.points == (1600,)
    assert (fast.predict(x + 9) == -1).all()


@pytest.mark.parametrize("calibration", [0.2, 0.5, 3, "auto", "loo", "last"])
@pytest.mark.parametrize("alpha", [0.05, 0.3, 1 / 3])
@pytest.mark.parametrize("rows", [3, 5, 8, 30, 60])
@pytest.mark.parametrize("knows_loo", [True, False])
def test_every_advice_leads_to_a_detector_that_can_flag(calibration, alpha, rows, knows_loo):
    advice = advise_for_calibration(alpha, calibration, rows, knows_loo=knows_loo)
    settings = []
    for part in advice.split(", or "):
        number, value = re.search(r"give (\d+)|^(\d+) rows", part), re.search(r"calibration=(\S+)", part)
        given = int(number[1] or number[2]) if number else rows
        settings.append((given, ast.literal_eval(value[1]) if value else calibration))
    assert settings
    for given, setting in settings:
        resolved = resolve_calibration(setting, given, alpha, knows_loo=knows_loo)
        _, calibrated = split_rows(resolved, given, seed=0)
        assert allowed_alarms(alpha, len(calibrated)) >= 1, (given, setting, advice)


def test_a_calibration_of_the_command_line_means_the_same_in_python():
    for text, value in (
        ("1", 1),
        ("50", 50),
        ("0.2", 0.2),
        ("1e-1", 0.1),
        ("loo", "loo"),
        ("last", "last"),
        ("auto", "auto"),
    ):
        parsed = parse_calibration(text)
        assert (parsed, type(parsed)) == (value, type(value))
    for text in ("1.0", "50.0"):
        with pytest.raises(
            InputError, match="must be a fraction above 0 and below 1, a number of rows from 1"
        ):
            count_calibration_rows(parse_calibration(text), 100)


def test_a_loaded_detector_has_the_parameters_of_the_fit(benign, tmp_path):
    for number, parameters in enumerate(
        ({}, {"speed": "fast", "contamination": 0.05}, {"energy": EnergySettings()})
    ):
        detector = EnergyDetector(random_state=0, **parameters).fit(benign[:200])
        detector.save(tmp_path / str(number))
        loaded = load(tmp_path / str(number))
        assert loaded.get_params() == detector.get_params()
        assert loaded.settings_ == detector.settings_
        expected = detector.fit(benign).score_samples(benign)
        np.testing.assert_array_equal(loaded.fit(benign).score_samples(benign), expected)


@pytest.mark.parametrize("method", ["predict", "p_values", "select", "score_samples", "decision_function"])
def test_methods_of_a_detector_without_a_fit_say_so(method, benign):
    with pytest.raises(NotFittedError):
        getattr(EnergyDetector(), method)(benign)


def test_a_threshold_that_depends_on_weights_names_the_method_that_takes_them(benign, quick):
    detector = EnergyDetector(energy=quick, random_state=0).fit(benign[:200])
    detector.recalibrate(benign[200:], weights=np.ones(len(benign) - 200))
    with pytest.raises(InputError, match=r"call predict\(X, weights=...\)"):
        detector.decision_function(benign)
