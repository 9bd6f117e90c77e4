"""docs/detector.md says what is so: its code runs, top to bottom, in one session."""

import re
from pathlib import Path

import numpy as np
import pytest

import ebmood.detector.estimator
from ebmood.core.calibration import benjamini_hochberg, false_alarm_rate

PAGE = Path(__file__).parents[2] / "docs" / "detector.md"


@pytest.fixture(scope="module")
def shown(tmp_path_factory, quick):
    """The names that the page's code leaves behind, after fits that are shorter than a reader's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ebmood.detector.estimator, "EnergySettings", lambda: quick)
        patch.chdir(tmp_path_factory.mktemp("guide"))
        names: dict = {"__name__": "shown"}
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
            exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_the_numbers_in_comments_are_so(shown):
    assert shown["n"] == 60
    assert shown["promised"] == false_alarm_rate(0.1, 60) == 6 / 61
    assert shown["by_class"].class_p_values(shown["wine"].data[:5]).shape == (5, 3)
    assert shown["of_texts"].predict(["order 7 of 3 pumps", "DROP TABLE orders; -- " * 20]).tolist() == [
        1,
        -1,
    ]


def test_suspects_are_mostly_malignant(shown):
    detector, new = shown["detector"], shown["new"]
    assert benjamini_hochberg(detector.p_values(new), 0.1).sum() == len(shown["suspects"])
    assert np.isin(shown["suspects"].index, shown["malignant"].index).mean() > 0.9


def test_blame_is_an_improvement(shown):
    assert (shown["blame"] > 0).all()
    assert set(shown["blame"].index) <= set(shown["new"].columns)


def test_the_refusal_names_the_column(shown, capsys):
    with pytest.raises(shown["InputError"], match=r"'mean area' of the fit is missing \(is it 'area'\?\)"):
        shown["detector"].predict(shown["new"].rename(columns={"mean area": "area"}))
