"""`calibration="auto"`: the number of rows decides how a detector is calibrated."""

import numpy as np
import pytest
from helpers.quick_energy import QUICK

from ebmood import CalibrationWarning, EnergyDetector, InputError, Monitor, load
from ebmood.core.calibration import rows_needed
from ebmood.detector.parameters import count_calibration_rows, resolve_calibration
from ebmood.detector.persistence.metadata import DetectorMetadata
from ebmood.detector.persistence.save import metadata_of

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")

ALPHA = 0.05


def fit(x, **parameters) -> EnergyDetector:
    return EnergyDetector(random_state=0, energy=QUICK, **parameters).fit(x)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("knows_loo", [True, False])
def test_a_row_can_be_flagged_as_soon_as_any_calibration_can(alpha, knows_loo):
    needed = rows_needed(alpha)
    for rows in range(3, 6 * needed):
        resolved = resolve_calibration("auto", rows, alpha, knows_loo=knows_loo)
        used = count_calibration_rows(resolved, rows)
        possible = rows >= (needed if knows_loo else 2 * needed)
        assert (used >= needed) == possible or rows >= 5 * needed
        assert (resolved == "loo") == (knows_loo and needed <= rows and needed > max(1, round(0.2 * rows)))
        if resolved != "loo":
            assert used <= max(rows // 2, 1)  # most rows are for training
        if rows >= 5 * needed:
            assert resolved == 0.2


@pytest.mark.parametrize("rows", [19, 30, 60, 92, 93, 120])
def test_the_default_flags_far_rows_of_small_tables(rows, benign):
    detector = EnergyDetector(random_state=0).fit(benign[:rows])
    assert (detector.predict(benign + 1e6) == -1).all()
    assert (detector.predict(benign[rows:]) == -1).mean() < 0.25
    assert detector.leave_one_out_ == (rows < 93)


@pytest.mark.parametrize("memory", ["rows", "prototypes"])
def test_the_flags_of_new_rows_keep_alpha(memory):
    """Prototypes of 60 rows have 19 calibration rows, so the expected rate is exactly 1/20."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(260, 3)) for _ in range(20)]
    rates = [(fit(x[:60], memory=memory).predict(x[60:]) == -1).mean() for x in tables]
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) < ALPHA + 4 * error
    assert memory == "rows" or np.mean(rates) > ALPHA - 4 * error


def test_without_enough_rows_a_warning_says_how_many_are_enough(benign):
    with pytest.warns(CalibrationWarning, match="give 19 rows or more"):
        assert not fit(benign[:18]).leave_one_out_
    with pytest.warns(CalibrationWarning, match="give 38 rows or more"):
        fit(benign[:37], memory="prototypes")


def test_classes_and_prototypes_have_rows_of_their_own(benign):
    y = np.arange(60) % 2
    of_classes = EnergyDetector(energy=QUICK, supervised=True, random_state=0).fit(benign[:60], y)
    assert len(of_classes.calibration_scores_) == 19
    assert of_classes.class_p_values(benign[:3]).shape == (3, 2)
    assert len(fit(benign[:60], memory="prototypes").calibration_scores_) == 19


def test_rows_that_contamination_leaves_out_do_not_count(benign):
    x = np.concatenate([benign[:90], benign[:10] + 1e3])
    assert fit(x, contamination=0.1).leave_one_out_
    assert not fit(x).leave_one_out_


def test_what_needs_the_guarantee_is_refused_until_the_detector_is_recalibrated(benign, tmp_path):
    detector = fit(benign[:30])
    for call in (lambda: detector.select(benign), lambda: Monitor(detector)):
        with pytest.raises(InputError, match=r"leave-one-out calibration.*recalibrate\(X\)"):
            call()
    detector.recalibrate(benign[100:150])
    assert detector.get_params()["calibration"] == "auto"
    assert detector.select(benign, fdr=0.2).shape == (len(benign),)
    Monitor(detector)
    detector.save(tmp_path)
    assert not load(tmp_path).leave_one_out_


def test_leave_one_out_calibration_ends_when_a_call_brings_enough_rows(benign, tmp_path):
    detector = fit(benign[:30])
    detector.partial_fit(benign[30:50])
    assert detector.leave_one_out_
    assert len(detector.calibration_scores_) == 50
    detector.save(tmp_path)
    for grown in detector, load(tmp_path):  # a loaded detector continues in the same way
        grown.partial_fit(benign[50:100])
        assert not grown.leave_one_out_
        assert (len(grown.calibration_scores_), grown.n_training_rows_) == (19, 81)
        grown.partial_fit(benign[100:200])
        assert (len(grown.calibration_scores_), grown.n_training_rows_) == (39, 161)
    np.testing.assert_array_equal(grown.p_values(benign), detector.p_values(benign))
    asked = fit(benign[:30], calibration="loo").partial_fit(benign[30:200])
    assert asked.leave_one_out_  # it was asked for


@pytest.mark.parametrize("calibration", ["loo", 0.2])
def test_files_of_earlier_versions_say_it_by_the_parameter(calibration, benign):
    metadata = metadata_of(fit(benign, calibration=calibration), {})
    content = metadata.model_dump(exclude={"leave_one_out"})
    assert DetectorMetadata(**content).has_leave_one_out() == metadata.leave_one_out == (calibration == "loo")
