import numpy as np
import pytest
from sklearn.datasets import load_wine

from ebmood import EnergyDetector, InputError
from ebmood.detector.labels import encode_labels


@pytest.mark.parametrize("y", [["b", "a", "b", "a"], [1.0, 0.0, 1.0, 0.0], [True, False, True, False]])
def test_classes_are_sorted_and_encoded(y):
    labels = encode_labels(y, 4, np.arange(4))
    assert labels.classes.tolist() == sorted(set(y))
    assert labels.codes.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y"),
        ([0] * 178, "1 class"),
        ([0, 1], r"shape \(178,\)"),
        ([0.5] * 178, "row 0: 0.5.*continuous"),
        ([0.0] * 177 + [np.nan], "row 177"),
        ([0] * 177 + [1], "class 1 has [01] of 142 training rows"),
        (["a"] * 177 + [1.5], "row"),
        (np.array(["a"] * 177 + [None], dtype=object), "row 177"),
    ],
)
def test_invalid_classes_are_refused_in_one_line(y, message, quick):
    x, _ = load_wine(return_X_y=True)
    with pytest.raises(InputError, match=message) as error:
        EnergyDetector(energy=quick, supervised=True, random_state=0).fit(x, y)
    assert "\n" not in str(error.value)
