import datetime as dt
import decimal

import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import DataWarning
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.missing_words import unused_words
from ebmood.detector.preparation.training_table import read_profile


@pytest.mark.parametrize(
    ("cells", "used"),
    [
        (["a", None, " OFF "], {"off"}),
        (["-999", "1"], {"-999"}),
        (["-999.00", "x"], {"-999"}),
        (["-999,0", "1,5"], {"-999"}),
        (["\u2212999"], {"-999"}),
        ([1, -999], {"-999"}),
        ([1.5, np.nan, -999.0], {"-999"}),
        ([decimal.Decimal("-999.00")], {"-999"}),
        ([[1.0, -999.0], None], {"-999"}),
        ([dt.date(1900, 1, 1)], {"1900-01-01"}),
        ([True, None], set()),
        ([b"off"], set()),
        ([None], set()),
    ],
)
def test_words_are_compared_as_the_readers_compare_them(cells, used):
    words = ["off", "-999", "1900-01-01", "-99"]
    assert unused_words([pyarrow.array(cells)], words) == [word for word in words if word not in used]


def test_numbers_in_dictionaries_are_found():
    assert unused_words([pyarrow.array([7, -999]).dictionary_encode()], ["-999", "8"]) == ["8"]


def test_a_word_that_no_cell_holds_gives_a_warning(tmp_path):
    rows = "".join(f"{np.sin(i):.3f},Oslo{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text(f"flow,site\n{rows}-999,OFF\n")
    table = tmp_path / "t.csv"
    read_profile(open_table(table), Choices(missing=["off", "-999.0"]))
    with pytest.warns(
        DataWarning, match=r"missing=\['-99'\]: no cell that is read holds it; check its spelling"
    ):
        read_profile(open_table(table), Choices(missing=["off", "-99"]))
    with pytest.warns(DataWarning, match=r"missing=\['Off'\]"):
        read_profile(open_table(table), Choices(missing=["Off"], drop=["site"]))
