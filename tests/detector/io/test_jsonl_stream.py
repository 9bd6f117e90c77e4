import gzip
import json

import pytest
from helpers.read_table import read_table

from ebmood.core.errors import EbmoodError
from ebmood.detector.io import jsonl_stream
from ebmood.detector.io.open_input import open_table


@pytest.fixture
def lines(tmp_path):
    def write(*rows: object, suffix: str = "jsonl"):
        path = tmp_path / f"t.{suffix}"
        text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
        path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
        return path

    return write


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "jsonl.gz"])
def test_values_become_text_and_absent_keys_are_missing(lines, monkeypatch, suffix):
    monkeypatch.setattr(jsonl_stream, "CHUNK_ROWS", 2)
    path = lines(
        {"a": 1, "b": "x"}, "", {"b": True, "a": 2.5}, {"a": 2**60 + 1}, {"a": None, "b": [1]}, suffix=suffix
    )
    assert open_table(path).names == ("a", "b")
    assert read_table(path) == [["1", "2.5", str(2**60 + 1), None], ["x", "true", None, "[1]"]]
    assert [chunk.first_row for chunk in open_table(path).chunks(["a"])] == [0, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "t.jsonl: the table has no rows"),
        ([{"a": 1}, "{"], "line 2 is not JSON"),
        ([{"a": 1}, "[1]"], "line 2 is not a JSON object"),
        (['{"a": 1, "a": 2}'], "line 1 is not JSON .a key occurs twice."),
        ([{"a": 1}, {"a": "\ud83d"}], r"line 2 is not JSON .*surrogates not allowed"),
        ([{"a": 1}, {"a": ["\ud83d"]}], r"line 2 is not JSON .*surrogates not allowed"),
        ([{"a": 1, "\ud83d": 2}], r"line 1 is not JSON .*surrogates not allowed"),
        ([{"a": 1}, '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"], "line 2 has too many objects or lists"),
        (['{"a": ' * 100_000 + "1" + "}" * 100_000], "line 1 has too many objects or lists"),
        ([{"a": 1}] * 1001 + [{"b": 1}], "line 1002 has a key 'b'"),
    ],
)
def test_malformed_lines_are_named(lines, rows, message):
    with pytest.raises(EbmoodError, match=message):
        read_table(lines(*rows))


def test_escaped_pairs_of_surrogates_are_text(lines):
    assert read_table(lines({"a": "\U0001f600", "b\u00e9": 1})) == [["\U0001f600"], ["1"]]


def test_objects_inside_objects_are_columns(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"id": 1, "s": {"flow": 1.5, "at": {"x": 2}}, "tags": [1]}\n{"id": 2, "s": {"flow": 2}}\n'
    )
    assert open_table(path).names == ("id", "s.flow", "s.at.x", "tags")
    assert read_table(path) == [["1", "2"], ["1.5", "2"], ["2", None], [[1.0], None]]
    path.write_text('{"s.flow": 1, "s": {"flow": 2}}\n')
    with pytest.raises(EbmoodError, match=r"line 1 is not JSON \(a key occurs twice"):
        open_table(path)


def test_one_list_of_objects_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('[\n{"a": 1},\n{"a": 2}\n]\n')
    with pytest.raises(EbmoodError, match="is one JSON list; write one object in each line"):
        open_table(path)


def test_lists_of_numbers_are_lists_and_others_are_text(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [
        {"e": [1, 2.5], "tags": ["a"], "mixed": [1], "nested": [[1]], "empty": []},
        {"e": None, "tags": [], "mixed": "x", "nested": [], "empty": []},
        {"e": [None, float("nan"), True]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    e, tags, mixed, nested, empty = read_table(path)
    assert e[:2] == [[1.0, 2.5], None]
    assert e[2][0] is None
    assert e[2][1] != e[2][1]
    assert e[2][2] == 1.0
    assert tags == ['["a"]', "[]", None]
    assert mixed == ["[1]", "x", None]
    assert nested == ["[[1]]", "[]", None]
    assert empty == [[], [], None]


def test_a_chunk_with_another_value_among_lists_is_text(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl_stream, "CHUNK_ROWS", 2)
    monkeypatch.setattr(jsonl_stream, "NAMED_ROWS", 2)
    path = tmp_path / "t.jsonl"
    cells = ["[1, 2]", "null", "[3, 4]", '"x"', f"[{2**60}, 1]", "[1, 2]", "null", "null"]
    path.write_text("\n".join(f'{{"e": {cell}}}' for cell in cells))
    chunks = [chunk.rows.column(0) for chunk in open_table(path).chunks(["e"])]
    assert [chunk.to_pylist() for chunk in chunks] == [
        [[1.0, 2.0], None],
        ["[3, 4]", "x"],
        [f"[{2**60}, 1]", "[1, 2]"],
        [None, None],
    ]


def test_long_lists_make_short_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl_stream, "CHUNK_NUMBERS", 100)
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps({"e": [0.5] * 40}) for _ in range(7)))
    chunks = list(open_table(path).chunks(["e"]))
    assert [(chunk.first_row, chunk.rows.num_rows) for chunk in chunks] == [(0, 3), (3, 3), (6, 1)]
