"""Living with change: recalibration, more training rows, weights and the history."""

import json
import pickle

import numpy as np
import pandas as pd
import pyarrow
import pytest
from helpers.lines import draw_lines
from helpers.quick_energy import QUICK
from sklearn.datasets import load_wine
from torch import nn

from ebmood import CalibrationWarning, EnergyDetector, EnergySettings, InputError, load
from ebmood.core.calibration import offset, p_values
from ebmood.detector.energy.fitting import fit_score_model

pytestmark = pytest.mark.filterwarnings(
    "ignore::ebmood.core.errors.SelfTestWarning", "ignore::ebmood.core.errors.CalibrationWarning"
)

WHOLE = EnergySettings(views=("robust", "normal-scores"))


def fit(x, **parameters) -> EnergyDetector:
    return EnergyDetector(random_state=0, **{"energy": QUICK, **parameters}).fit(x)


def test_recalibration_replaces_the_thresholds_and_keeps_the_scores(benign, malignant):
    detector = fit(benign[:250])
    scores, before = detector.score_samples(benign), detector.offset_
    detector.recalibrate(benign[250:])
    np.testing.assert_array_equal(detector.score_samples(benign), scores)
    calibration = np.sort(scores[250:])
    np.testing.assert_array_equal(detector.calibration_scores_, calibration)
    assert detector.offset_ == offset(calibration, 0.05) != before
    expected = p_values(detector.score_samples(malignant), calibration)
    np.testing.assert_array_equal(detector.p_values(malignant), expected)


def test_after_a_drift_the_false_alarm_rate_is_alpha_again():
    rng, before, after = np.random.default_rng(0), [], []
    for seed in range(20):
        detector = EnergyDetector(alpha=0.1, energy=QUICK, random_state=seed).fit(rng.normal(size=(300, 3)))
        new, drifted = (rng.normal(0.7, 1.3, size=(rows, 3)) for rows in (500, 200))
        before.append((detector.predict(new) == -1).mean())
        after.append((detector.recalibrate(drifted).predict(new) == -1).mean())
    error = np.std(after, ddof=1) / np.sqrt(20)
    assert np.mean(before) > 0.2
    assert abs(np.mean(after) - 20 / 201) < 3 * error


def test_leave_one_out_becomes_split_calibration(benign, tmp_path):
    detector = fit(benign[:200], calibration="loo").recalibrate(benign[200:])
    assert not detector.leave_one_out_
    assert detector.select(benign[:9], fdr=0.1).shape == (9,)
    detector.partial_fit(benign[:50]).save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").p_values(benign), detector.p_values(benign))


def test_classes_need_y_for_a_recalibration():
    x, y = load_wine(return_X_y=True)
    detector = EnergyDetector(energy=QUICK, random_state=0, supervised=True, calibration=0.4).fit(x, y)
    detector.recalibrate(x, y)
    scores = detector.scorer_.class_scores(x, x)
    for k in range(3):
        np.testing.assert_array_equal(detector.class_calibration_scores_[k], np.sort(scores[y == k, k]))
    for labels, message in (
        (None, "classes 0, 1, 2; give y"),
        (y + 1, "3 is not a class of the fit"),
        (y[:5], "178 rows"),
        (np.zeros(len(x), dtype=int), "class 1 has no rows"),
    ):
        with pytest.raises(InputError, match=message):
            detector.recalibrate(x, labels)


def test_too_few_rows_for_a_recalibration_warn(benign):
    with pytest.warns(CalibrationWarning, match="alpha=0.05 needs 19 calibration rows, but there are only 7"):
        detector = fit(benign).recalibrate(benign[:7])
    assert detector.offset_ == -np.inf


def test_weights_keep_the_level_under_a_known_shift():
    """As `benchmarks/living.py weights`, with fewer repetitions."""
    rng = np.random.default_rng(0)

    def draw(rows, mean):
        first = rng.normal(mean, 1, rows)
        return np.column_stack([first, rng.normal(0, np.exp(0.8 * first))])

    detector, plain, weighted = fit(draw(300, 0.0), alpha=0.1), [], []
    for _ in range(40):
        calibration, new = draw(300, 0.0), draw(300, 1.0)
        plain.append((detector.recalibrate(calibration).predict(new) == -1).mean())
        detector.recalibrate(calibration, weights=7 * np.exp(calibration[:, 0]))
        weights = 7 * np.exp(new[:, 0])
        flags = detector.predict(new, weights=weights) == -1
        np.testing.assert_array_equal(flags, detector.p_values(new, weights=weights) <= 0.1)
        weighted.append(flags.mean())
    error = np.std(weighted, ddof=1) / np.sqrt(40)
    assert np.mean(plain) > 0.2
    assert np.mean(weighted) <= 0.1 + 3 * error


def test_what_needs_weights_says_so(benign, tmp_path):
    detector = fit(benign[:200]).recalibrate(benign[200:], weights=np.arange(1, 158))
    for method in (detector.predict, detector.p_values):
        with pytest.raises(InputError, match="every row needs one; give weights="):
            method(benign)
    with pytest.raises(InputError, match="not proved with weights"):
        detector.select(benign)
    with pytest.raises(InputError, match="partial_fit: the calibration rows have weights"):
        detector.partial_fit(benign)
    detector.save(tmp_path / "m")
    weights = np.linspace(1, 9, len(benign))
    expected = detector.p_values(benign, weights=weights)
    np.testing.assert_array_equal(load(tmp_path / "m").p_values(benign, weights=weights), expected)
    assert load(tmp_path / "m").offset_ == detector.offset_
    with pytest.raises(InputError, match="shape"):
        detector.recalibrate(benign, weights=[1.0])


def test_batches_within_the_limit_give_the_model_of_one_fit_on_all_of_them(benign):
    """All rows are held, so the model is the one that is fitted on the training rows of all batches."""
    detector = EnergyDetector(energy=WHOLE, calibration=0.2, random_state=0)
    for batch in np.array_split(benign, 5):
        detector.partial_fit(batch)
    held, calibration = detector.model_.memory.numpy(), detector.calibration_rows_.rows
    order = np.lexsort(np.concatenate([held, calibration]).T)
    np.testing.assert_array_equal(np.concatenate([held, calibration])[order], benign[np.lexsort(benign.T)])
    assert len(calibration) == pytest.approx(0.2 * len(benign), abs=3)
    assert detector.n_training_rows_ == len(held)
    model = fit_score_model(held, WHOLE, 0).model
    from ebmood.detector.energy.chunks import apply_in_chunks

    np.testing.assert_allclose(
        detector.score_samples(benign), apply_in_chunks(model, benign, "cpu"), atol=1e-6
    )
    np.testing.assert_array_equal(np.sort(detector.score_samples(calibration)), detector.calibration_scores_)


@pytest.mark.slow
def test_the_memory_holds_old_and_new_rows_in_proportion():
    """The mean over seeds of the fraction of rows of each batch, of which the limit holds a part."""
    rng, fractions = np.random.default_rng(0), []
    for seed in range(30):
        detector = EnergyDetector(energy=QUICK, random_state=seed, calibration=0.1)
        for number, rows in enumerate((100, 200, 50, 350)):
            batch = np.column_stack([np.full(rows, float(number)), rng.normal(size=(rows, 2))])
            detector.partial_fit(batch)
        held = detector.model_.memory[:, 0].numpy()
        assert len(held) == QUICK.rows
        fractions.append([(held == number).mean() for number in range(4)])
    expected = np.array([100, 200, 50, 350]) / 700
    errors = np.std(fractions, axis=0, ddof=1) / np.sqrt(30)
    assert (np.abs(np.mean(fractions, axis=0) - expected) < 4 * errors).all()


@pytest.mark.slow
def test_false_alarms_after_batches_are_at_most_alpha():
    rng, rates = np.random.default_rng(0), []
    for seed in range(14):
        mixing = rng.normal(size=(4, 4))
        detector = EnergyDetector(alpha=0.1, energy=QUICK, random_state=seed)
        for rows in (60, 5, 1, 200, 90):
            detector.partial_fit(rng.normal(size=(rows, 4)) @ mixing)
        rates.append((detector.predict(rng.normal(size=(500, 4)) @ mixing) == -1).mean())
    error = np.std(rates, ddof=1) / np.sqrt(14)
    assert np.mean(rates) <= 0.1 + 3 * error
    assert np.mean(rates) >= 0.05


def test_new_levels_and_new_gaps_become_known():
    rng = np.random.default_rng(0)
    old = pd.DataFrame({"flow": rng.normal(size=200), "site": rng.choice(["Oslo", "Bergen"], 200)})
    new = pd.DataFrame({"flow": rng.normal(size=200), "site": "Paris"})
    new.loc[::4, "flow"] = np.nan
    rows = pd.DataFrame({"flow": [0.0, None, 0.0], "site": ["Paris", "Paris", "Rome"]})
    detector = fit(old)
    for other in (rows[["site", "flow"]], rows[["site"]], rows.assign(more="x")):
        for method in (detector.predict, detector.partial_fit, detector.recalibrate):
            with pytest.raises(
                InputError, match=r"another order|of the fit is missing|not in the training data"
            ):
                method(other)
    assert detector.predict(rows).tolist() == [-1, -1, -1]
    oslo = detector.levels_[1].index("Oslo")
    detector.partial_fit(new)
    assert detector.levels_[1][oslo] == "Oslo"
    assert detector.levels_[1][2:] == ("Paris",)
    assert detector.predict(rows).tolist() == [1, 1, -1]
    for _ in range(8):  # the held rows of Oslo and Bergen become few
        detector.partial_fit(new)
    assert detector.predict(rows.assign(site=["Oslo", "Bergen", "Rome"])).tolist()[2] == -1
    layout = detector.model_.layout.table
    assert -1 not in layout.categories[1], "a level that was seen stays known"
    assert layout.gaps == (0,)


def test_record_batches_extend_the_levels_as_frames_do():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"flow": rng.normal(size=200), "site": ["Oslo", "Bergen"] * 100})
    batch = pyarrow.RecordBatch.from_pandas(frame.assign(site="Paris"))
    assert fit(frame).partial_fit(batch).levels_[1] == ("Bergen", "Oslo", "Paris")


def test_the_ranges_of_all_rows_stay_known():
    """The largest old value is no longer held, but a row there is inside the training ranges."""
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(300, 2)), rng.normal(size=(3000, 2))
    old[:30, 0] = 50.0
    detector = fit(old, calibration=20)
    highest = detector.scorer_.ranges[1, 0]
    detector.partial_fit(new)
    assert highest == detector.scorer_.ranges[1, 0] == 50.0
    assert float(detector.model_.extent[0]) == pytest.approx(50.0 - detector.scorer_.ranges[0, 0])


@pytest.mark.parametrize("calibration", [0.2, 40, "loo"])
def test_a_loaded_detector_takes_more_rows_with_the_same_result(calibration, benign, tmp_path):
    names = pd.DataFrame(benign).add_prefix("c")
    detector = fit(names[:150], calibration=calibration)
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    for each in (detector, loaded):
        each.partial_fit(names[150:300])
    np.testing.assert_array_equal(loaded.p_values(names), detector.p_values(names))
    np.testing.assert_array_equal(loaded.score_samples(names), detector.score_samples(names))
    assert [event.what for event in loaded.history_] == ["fit", "partial_fit"]


def test_segments_are_kept_in_batches():
    rng = np.random.default_rng(0)
    detector = EnergyDetector(energy=QUICK, segment="line", random_state=0)
    for _ in range(4):
        detector.partial_fit(draw_lines(200, rng))
    assert sum(segment.calibration_rows for segment in detector.segments_) == pytest.approx(160, abs=4)
    detector.partial_fit(draw_lines(300, rng).assign(line="new"))
    assert "new" in {segment.name for segment in detector.segments_ if not segment.pooled}
    detector.recalibrate(draw_lines(500, rng))
    assert "new" not in {segment.name for segment in detector.segments_}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"supervised": True}, "a supervised detector"),
        ({"memory": "prototypes"}, "prototypes"),
        ({"contamination": 0.05}, "contamination"),
        ({"embed": nn.Identity()}, "embed="),
    ],
)
def test_a_detector_that_cannot_take_more_rows_says_so(parameters, message, benign, tmp_path):
    y = np.arange(len(benign)) % 2
    detector = EnergyDetector(energy=QUICK, random_state=0, **parameters).fit(benign, y)
    assert detector.calibration_rows_ is None, "calibration rows are held only where they are needed"
    with pytest.raises(InputError, match=f"partial_fit: .*{message}") as error:
        detector.partial_fit(benign)
    assert "\n" not in str(error.value)


def test_a_batch_that_cannot_be_used_changes_nothing(benign):
    detector = fit(benign)
    before = pickle.dumps(detector.__dict__)
    for batch in (benign[:, :3], benign + np.inf, benign + 1e200, benign[:0]):
        with pytest.raises(InputError):
            detector.partial_fit(batch)
    assert pickle.dumps(detector.__dict__) == before


def test_the_history_is_recorded_and_saved(benign, tmp_path):
    detector = fit(benign[:100]).partial_fit(benign[100:250]).recalibrate(benign[250:])
    assert [(event.what, event.rows) for event in detector.history_] == [
        ("fit", 100),
        ("partial_fit", 150),
        ("recalibrate", 107),
    ]
    last = detector.history_[-1]
    assert (last.calibration_rows, last.threshold, last.seed) == (107, detector.offset_, 0)
    assert last.time.endswith("+00:00")
    detector.save(tmp_path / "m")
    assert load(tmp_path / "m").history_ == detector.history_
    content = json.loads((tmp_path / "m" / "detector.json").read_text())["detector"]
    assert content["history"][2]["what"] == "recalibrate"
    assert [event.what for event in detector.fit(benign).history_] == ["fit"]


def test_training_rows_as_calibration_rows_are_noticed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    x[::7, 0] = np.nan
    detector = EnergyDetector(random_state=0).fit(x)
    with pytest.warns(CalibrationWarning, match="80% of the calibration rows equal training rows"):
        detector.recalibrate(x)


def test_new_rows_of_a_table_with_few_different_rows_are_no_training_rows():
    rng = np.random.default_rng(0)
    few = rng.integers(0, 3, (700, 3)).astype(float)
    EnergyDetector(random_state=0).fit(few[:400]).recalibrate(few[400:])  # warnings are errors
