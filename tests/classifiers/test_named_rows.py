import numpy as np
import pytest

from ebmood.classifiers.classifier_rows import ArrayRows
from ebmood.classifiers.named_rows import named_rows
from ebmood.classifiers.network import RowError
from ebmood.core.errors import InputError


def test_an_error_about_a_row_names_its_file_and_its_number_there():
    source = ArrayRows("new.npz", np.zeros((9, 2)), None)
    with pytest.raises(InputError, match=r"^new\.npz: X\[7\]: has no features$"), named_rows(source, first=5):
        raise RowError(2, "has no features")


def test_other_errors_pass():
    source = ArrayRows("new.npz", np.zeros((9, 2)), None)
    with pytest.raises(InputError, match=r"^another$"), named_rows(source):
        raise InputError("another")
