"""The code of docs/detector.md runs from top to bottom in one session, and its comments are correct."""

import re
from pathlib import Path

import numpy as np
import pytest

import ebmood.detector.estimator
from ebmood.core.calibration import benjamini_hochberg, false_alarm_rate

PAGE = Path(__file__).parents[2] / "docs" / "detector.md"


@pytest.fixture(scope="module")
def namespace(tmp_path_factory, quick):
    """The variables after the code of the page, with shorter training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ebmood.detector.estimator, "EnergySettings", lambda: quick)
        patch.chdir(tmp_path_factory.mktemp("guide"))
        names: dict = {"__name__": "guide"}
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
            exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_the_numbers_in_comments_are_correct(namespace):
    assert namespace["n"] == 60
    assert namespace["rate"] == false_alarm_rate(0.1, 60) == 6 / 61
    assert namespace["by_class"].class_p_values(namespace["wine"].data[:5]).shape == (5, 3)
    predictions = namespace["of_texts"].predict(["order 7 of 3 pumps", "DROP TABLE orders; -- " * 20])
    assert predictions.tolist() == [1, -1]
    assert namespace["of_pumps"].predict(namespace["rows"]).tolist() == [1, 1, -1, -1]
    assert namespace["cleaned"].n_left_out_rows_ == 16


def test_selected_rows_are_mostly_malignant(namespace):
    detector, new = namespace["detector"], namespace["new"]
    assert benjamini_hochberg(detector.p_values(new), 0.1).sum() == len(namespace["suspects"])
    assert np.isin(namespace["suspects"].index, namespace["malignant"].index).mean() > 0.9


def test_the_largest_contributions_are_positive(namespace):
    assert (namespace["largest"] > 0).all()
    assert set(namespace["largest"].index) <= set(namespace["new"].columns)


def test_the_error_names_the_column(namespace):
    message = r"'mean area' of the fit is missing \(is it 'area'\?\)"
    with pytest.raises(namespace["InputError"], match=message):
        namespace["detector"].predict(namespace["new"].rename(columns={"mean area": "area"}))
