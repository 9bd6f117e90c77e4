import pyarrow
import pytest

from ebmood.core.errors import InputError
from ebmood.detector.raw.batch_notes import BatchNotes


def test_other_spellings_of_known_values_are_named():
    notes = BatchNotes(rows=4)
    notes.add_spellings("code", pyarrow.array(["7", "7", "0", "8", None]), ["007", "000", "113"])
    assert notes.spellings == {("code", "7"): "007", ("code", "0"): "000"}
    lines = notes.lines(0.05)
    assert "code = '7' (2)" in lines[0]
    assert lines[1].startswith("written in another way than in the training rows: code = '7' for '007' (2)")
    assert "programs drop zeros at the start" in lines[1]
    assert notes.to_json()["spellings"] == {"code": {"7": "007", "0": "000"}}
    notes = BatchNotes(rows=1)
    notes.add_spellings("site", pyarrow.array(["OSLO", "Rome"]), ["Oslo"])
    assert (
        notes.lines(0.05)[1]
        == "written in another way than in the training rows: site = 'OSLO' for 'Oslo' (1)"
    )
    notes = BatchNotes(rows=1)
    notes.add_spellings("site", pyarrow.array(["Rome"]), ["Oslo"])
    assert len(notes.lines(0.05)) == 1


def test_a_table_with_another_decimal_sign_says_which_one_to_write():
    notes = BatchNotes(rows=2)
    problem = "'1,5' has a decimal comma, but the numbers of this column have decimal points"
    notes.add_bad([f"t.csv: row {row}, column 'a': {problem}" for row in (1, 2)])
    with pytest.raises(InputError, match="write this table with decimal points, as the training table"):
        notes.check_bad_rows("t.csv", 0.001)


@pytest.mark.parametrize(
    ("max_bad", "rows", "bad_rows", "is_allowed"),
    [(0.0, 4, 0, True), (0.0, 4, 1, False), (0.001, 4, 1, True), (0.001, 4, 2, False), (0.5, 4, 2, True)],
)
def test_one_bad_row_is_allowed_unless_none_may_be(max_bad, rows, bad_rows, is_allowed):
    notes = BatchNotes(rows=rows)
    notes.add_bad([f"t.csv: row {row + 1}, 'x' is not a number" for row in range(bad_rows)])
    if is_allowed:
        notes.check_bad_rows("t.csv", max_bad)
    else:
        with pytest.raises(
            InputError, match=f"{bad_rows} of {rows} rows cannot be read, more than {max_bad:g} of"
        ):
            notes.check_bad_rows("t.csv", max_bad)


def test_values_with_the_same_start_are_counted_together():
    notes = BatchNotes()
    notes.unseen.update({("c", "x" * 40 + "a"): 3, ("c", "x" * 40 + "b"): 1})
    assert notes.lines(0.05) == [f"values that no training row has: c = '{'x' * 40}' (4)"]
