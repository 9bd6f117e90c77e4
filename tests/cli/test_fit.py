import json
import re

import pytest
from helpers.cell_tables import COLUMNS

NUMBERS = "a,b\n" + "".join(f"{i % 7},{i / 8}\n" for i in range(30))

pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (NUMBERS + "30,x\n", (), "row 31, column 'b': 'x' is not a number.*--missing.*--drop"),
        (NUMBERS + "30,inf\n", (), "row 31, column 'b': inf is infinite.*--drop"),
        (NUMBERS + "30,1e200\n", (), "row 31, column 'b': 1e.200 is too large to fit.*--drop b"),
        (
            NUMBERS + "30,9007199254740993\n",
            ("--number", "b"),
            "row 31, column 'b': .*larger than 2.53.*--drop",
        ),
        ("a,b\n1,2\n1,2\n1,2\n", (), "no column is left to learn from: 'a' .constant., 'b' .constant."),
        ("a,b\n1,2\n", (), "t.csv: has 1 row, too few to learn from; give 3 rows or more"),
        ("a,b\n1,2\n3,4\n", ("--number", "a"), "t.csv: has 2 rows, .*; give 3 rows or more, as two are"),
        (NUMBERS + "30\n", (), "row 31 has 1 cell, the header 2"),
        ("a,b\nx,1\n", ("--category", "a", "--drop", "a"), "contradict"),
        ("a,a\n1,2\n", (), "'a' occurs twice"),
        ("", (), "t.csv: the file is empty"),
        ("a,b\n1,2\n", ("--drop", "c"), "--drop c: no such column"),
        ("a,b\n1,2\n", ("--drop", "*"), "no column is left"),
        ("a,b\n1,2\n", ("--supervised",), "--label-column"),
        ("a,b\n1,2\n", ("--alpha", "0"), "--alpha 0"),
        ("a,b\n,1\n,2\n,3\n", ("--category", "a"), "t.csv: .*'a': all values are missing.*--drop"),
        ("a,b\nu,1\nv,2\nw,3\n", ("--category", "a"), "t.csv: .*'a': has another text in every row.*--drop"),
        ("a,b\n1,2\n1,2\n1,2\n", ("--category", "c"), "--category c: no such column"),
        ("a,b\n1,2\n1,2\n1,2\n", ("--device", "abacus"), "abacus"),
    ],
)
def test_a_table_that_cannot_be_fitted_is_refused_in_one_line(ebmood, tmp_path, text, options, message):
    (tmp_path / "t.csv").write_text(text)
    code, out, err = ebmood("fit", tmp_path / "t.csv", "-o", tmp_path / "model", *options)
    assert code == 2
    assert not out
    assert len(err.splitlines()) == 1
    assert re.search(message, err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_classes_are_learned_with_supervised(ebmood, tables, tmp_path):
    code, out, err = ebmood(
        "fit", tables / "fit.csv", "-o", tmp_path / "m", "--label-column", "site", "--supervised",
        "--drop", "id", "--json",
    )  # fmt: skip
    assert code == 0, err
    content = json.loads(out)
    assert content["classes"] == ["Bergen", "Oslo"]
    assert content["features"] == COLUMNS
    assert [entry["name"] for entry in content["preparation"]["left_out"]] == ["site", "id"]
    code, _, err = ebmood("score", tmp_path / "m", tables / "in.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err


def test_the_message_names_the_next_command(ebmood, tables, tmp_path):
    options = ("--drop", "id", "--drop", "site")
    code, _, err = ebmood("fit", tables / "fit.csv", "-o", tmp_path / "m", *options)
    assert code == 0, err
    assert "fitted on 200 rows of 3 features, calibrated on 50 more" in err
    assert f"Next: ebmood score {tmp_path / 'm'} NEW.csv -o SCORES.csv" in err
