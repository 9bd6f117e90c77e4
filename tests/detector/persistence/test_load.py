import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.saved_model import CLASSES, ROWS, TABLE, change_tensors
from torch import nn

from ebmood import EbmoodError, EnergyDetector, load
from ebmood.core.errors import CalibrationWarning


def test_a_loaded_detector_is_equal_to_the_saved_one(wine_detector, saved):
    loaded = load(saved)
    rows = pd.DataFrame(np.concatenate([ROWS, ROWS * 3, ROWS * 1e290])).add_prefix("c")
    np.testing.assert_array_equal(loaded.score_samples(rows), wine_detector.score_samples(rows))
    np.testing.assert_array_equal(loaded.p_values(rows), wine_detector.p_values(rows))
    np.testing.assert_array_equal(
        loaded.feature_contributions(rows[:3]), wine_detector.feature_contributions(rows[:3])
    )
    np.testing.assert_array_equal(loaded.calibration_scores_, wine_detector.calibration_scores_)
    assert loaded.offset_ == wine_detector.offset_
    assert loaded.probes_ == wine_detector.probes_
    assert loaded.settings_ == wine_detector.settings_
    assert loaded.seed_ == wine_detector.seed_
    assert loaded.notes_ == {"one_hot": ["colour"], "filled": {"age": 3.5}}
    with pytest.raises(EbmoodError, match="another order"):
        loaded.predict(rows[rows.columns[::-1]])
    copy = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(copy.score_samples(rows), wine_detector.score_samples(rows))


def test_notes_are_kept_by_a_loaded_detector_and_not_by_a_new_fit(saved, tmp_path):
    """A detector of the command line that is recalibrated in Python keeps its preparation."""
    loaded = load(saved)
    with pytest.warns(CalibrationWarning, match="equal training rows"):
        loaded.recalibrate(TABLE)
    loaded.save(tmp_path / "again")
    assert load(tmp_path / "again").notes_ == loaded.notes_ != {}
    loaded.save(tmp_path / "other", notes={})
    assert load(tmp_path / "other").notes_ == {}
    loaded.fit(TABLE).save(tmp_path / "new")
    assert load(tmp_path / "new").notes_ == {}


@pytest.mark.slow
def test_another_process_computes_equal_scores(wine_detector, saved, tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    code = (
        "import sys, warnings, numpy, torch, ebmood; torch.set_num_threads(1); warnings.simplefilter('ignore');"
        "numpy.save(sys.argv[3], ebmood.load(sys.argv[1]).score_samples(numpy.load(sys.argv[2])))"
    )
    arguments = [str(saved), str(tmp_path / "rows.npy"), str(tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), wine_detector.score_samples(TABLE))


def test_classes_are_restored(quick, tmp_path):
    names = np.array(["a", "b", "c"])[CLASSES]
    for number, y in enumerate((names, CLASSES, CLASSES == 1)):
        detector = EnergyDetector(energy=quick, random_state=0, supervised=True, calibration=50).fit(ROWS, y)
        detector.save(tmp_path / str(number))
        loaded = load(tmp_path / str(number))
        np.testing.assert_array_equal(loaded.classes_, detector.classes_)
        np.testing.assert_array_equal(loaded.class_p_values(ROWS), detector.class_p_values(ROWS))
        assert loaded.calibration == 50


@pytest.mark.parametrize("name", ["lowest", "ranges", "replacements", "witness"])
def test_weights_without_a_tensor_are_refused(name, saved):
    change_tensors(saved, lambda tensors: tensors.pop(name))
    with pytest.raises(EbmoodError, match=f"'{name}'"):
        load(saved)


def test_code_that_computes_other_scores_is_detected(saved):
    change_tensors(saved, lambda tensors: tensors["witness"].add_(0.1))
    with pytest.raises(EbmoodError, match=r"the scores differ from those saved by ebmood .* and torch"):
        load(saved)


def network(activation: nn.Module, width: int = 5) -> nn.Module:
    torch.manual_seed(0)
    linear = nn.Linear(13, width)
    nn.init.normal_(linear.weight, std=0.01)
    return nn.Sequential(linear, activation)


def test_an_embedding_gets_its_weights_back(quick, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, random_state=0, embed=network(nn.Tanh())).fit(ROWS)
    detector.save(tmp_path / "m")
    assert len(list((tmp_path / "m").glob("embed-*.safetensors"))) == 1
    module = network(nn.Tanh())
    nn.init.zeros_(module[0].weight)
    loaded = load(tmp_path / "m", embed=module)
    np.testing.assert_array_equal(loaded.score_samples(ROWS * 2), detector.score_samples(ROWS * 2))
    assert not module[0].weight.any(), "the argument is not changed"


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, r"fitted with embed=Sequential\(...\).*give load\(folder, embed="),
        (network(nn.Tanh(), 6), "other weights"),
        (network(nn.Sigmoid()), "the scores differ from the saved ones"),
        (len, "give load"),
    ],
)
def test_another_embedding_is_refused(module, message, quick, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        EnergyDetector(energy=quick, random_state=0, embed=network(nn.Tanh())).fit(ROWS).save(tmp_path / "m")
    with pytest.raises(EbmoodError, match=message):
        load(tmp_path / "m", embed=module)


def test_an_embedding_that_is_not_needed_is_refused(saved):
    with pytest.raises(EbmoodError, match="fitted without one"):
        load(saved, embed=nn.Identity())
