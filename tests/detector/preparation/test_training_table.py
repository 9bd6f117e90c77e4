import warnings

import numpy as np
import pandas as pd
import pytest

from ebmood.core.errors import DataWarning, InputError
from ebmood.detector import EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.parameters import split_rows
from ebmood.detector.preparation import training_table
from ebmood.detector.preparation.choices import AUTOMATIC, Choices
from ebmood.detector.preparation.training_table import read_profile
from ebmood.detector.raw.table_detector import TableDetector


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


def test_the_label_column_is_left_out_as_it_holds_the_classes(tmp_path):
    flows = np.sin(np.arange(40.0))
    table = pd.DataFrame({"flow": flows, "site": ["Oslo", "Bergen"] * 20, "note": flows * 2})
    table.to_csv(tmp_path / "t.csv", index=False)
    profile = read_profile(open_table(tmp_path / "t.csv"), Choices(label_column="site", drop=["note"]))
    reasons = {column.name: column.reason for column in profile.preparation().left_out}
    assert reasons == {"site": "holds the classes", "note": "dropped by an option"}


def test_a_table_is_too_short_exactly_if_no_fit_accepts_it(tmp_path):
    values = np.sin(np.arange(3.0))
    for rows in range(1, 4):
        pd.DataFrame({"a": values[:rows]}).to_csv(tmp_path / "t.csv", index=False)
        profile = read_profile(open_table(tmp_path / "t.csv"), Choices(numbers=["a"]))
        is_refused = []
        for calibration in (1, 0.2, "loo"):
            try:
                split_rows(calibration, rows, 0)
            except InputError:
                is_refused.append(True)
            else:
                is_refused.append(False)
        assert all(is_refused) == profile.is_too_short == bool(profile.problems())


@pytest.fixture
def large_table(tmp_path, monkeypatch):
    """A table of which at most 200 rows are used. Column `a` is the number of the row, in random order."""
    monkeypatch.setattr(training_table, "row_limit", lambda columns: 200)
    numbers = np.random.default_rng(0).permutation(1_000)
    table = pd.DataFrame({"a": numbers + 0.5, "b": np.sin(numbers), "kind": ["x", "y"] * 500})
    return table, tmp_path / "t.csv"


def test_a_sample_of_a_large_table_keeps_its_row_numbers(large_table):
    table, path = large_table
    table.to_csv(path, index=False)
    with pytest.warns(DataWarning, match=r"has 1,000 rows; a random sample of \d+ of them is used"):
        profile = read_profile(open_table(path), AUTOMATIC)
    assert profile.rows == 1_000
    assert 50 <= len(profile.row_numbers) <= 200
    features = profile.features(profile.preparation())
    np.testing.assert_array_equal(features["a"], table["a"][profile.row_numbers])
    assert [decision.kind for decision in profile.decisions] == ["number", "number", "category"]
    assert profile.classes("kind").tolist() == table["kind"][profile.row_numbers].tolist()


@pytest.mark.filterwarnings("ignore:.*random sample")
def test_errors_in_a_large_table_name_the_row_of_the_table(large_table):
    table, path = large_table
    table.to_csv(path, index=False)
    used = read_profile(open_table(path), AUTOMATIC).row_numbers
    cells = table.astype(object)
    cells.loc[used[7], "a"] = "broken"
    cells.to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"row {used[7] + 1}, column 'a': 'broken'"):
        read_profile(open_table(path), AUTOMATIC).preparation()
    table.loc[used[9], "b"] = 1e200
    table.to_csv(path, index=False)
    profile = read_profile(open_table(path), AUTOMATIC)
    with pytest.raises(InputError, match=rf"row {used[9] + 1}, column 'b': 1e\+200 is too large"):
        profile.features(profile.preparation())


@pytest.mark.filterwarnings("ignore:.*random sample")
def test_malformed_rows_outside_the_sample_are_still_errors(large_table):
    table, path = large_table
    table.to_csv(path, index=False)
    used = read_profile(open_table(path), AUTOMATIC).row_numbers
    other = min(set(range(1, 1_000)) - set(used))
    lines = path.read_text().splitlines()
    lines[other + 1] += ",further"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"row {other + 1} "):
        read_profile(open_table(path), AUTOMATIC).preparation()


@pytest.mark.filterwarnings("ignore:.*random sample")
def test_strangest_rows_of_a_large_table_have_the_numbers_of_the_table(large_table, tmp_path):
    table, path = large_table
    table.to_csv(path, index=False)
    used = read_profile(open_table(path), AUTOMATIC).row_numbers
    table.loc[used[11], "b"] = 50.0
    table.to_csv(path, index=False)
    detector = TableDetector.fit(EnergyDetector(calibration="loo", random_state=0), open_table(path))
    assert detector.estimator.strangest_rows_[0][0] == used[11]
    assert detector.table_rows == 1_000
    detector.save(tmp_path / "model")
    loaded = TableDetector.load(tmp_path / "model")
    assert loaded.estimator.strangest_rows_ == detector.estimator.strangest_rows_
