import warnings

import pandas as pd
import pytest

from ebmood.core.errors import DataWarning
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation.choices import AUTOMATIC
from ebmood.detector.preparation.training_table import read_profile


@pytest.mark.parametrize("word", ["Total", "Summe:", "TOTALE"])
def test_a_row_of_totals_gives_a_note(tmp_path, word):
    table = pd.DataFrame({"site": ["Oslo", "Bergen"] * 20 + [word], "flow": [*range(40), 780]})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(DataWarning, match="row 41 of 41 seems to hold totals .* remove it"):
        read_profile(open_table(tmp_path / "t.csv"), AUTOMATIC)


def test_a_category_called_total_gives_no_note(tmp_path):
    table = pd.DataFrame({"kind": ["part", "total"] * 20, "flow": range(40)})
    table.to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_profile(open_table(tmp_path / "t.csv"), AUTOMATIC)
