import pytest

from ebmood.core.errors import EbmoodError
from ebmood.study.yaml_document import YamlDocument


def document(folder, text):
    (folder / "s.yaml").write_text(text)
    return YamlDocument(folder / "s.yaml")


def test_a_location_names_file_line_and_keys(tmp_path):
    yaml = document(tmp_path, "a: 1\nb:\n  - x: 2\n    y: 3\n")
    assert yaml.data == {"a": 1, "b": [{"x": 2, "y": 3}]}
    assert yaml.location(("b", 0, "y")) == f"{tmp_path / 's.yaml'}, line 4, b[0].y"
    assert yaml.location(("b", 0, "missing")).endswith("line 3, b[0].missing")
    assert yaml.location(()) == f"{tmp_path / 's.yaml'}, line 1"


def test_numbers_in_scientific_notation_are_numbers(tmp_path):
    assert document(tmp_path, "a: 1e-3\nb: 2.E5\nc: e5\n").data == {"a": 0.001, "b": 2e5, "c": "e5"}


def test_nested_duplicate_keys_raise(tmp_path):
    with pytest.raises(EbmoodError, match=r"line 3: duplicate key 'x'"):
        document(tmp_path, "a:\n  x: 1\n  x: 2\n")


@pytest.mark.parametrize("key", ["? [a]", "? {a: 1}"])
def test_a_key_that_is_no_word_raises(tmp_path, key):
    with pytest.raises(EbmoodError, match=r"line 2: a key is a list or a mapping; write a word"):
        document(tmp_path, f"a: 1\n{key}\n: 2\n")


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(EbmoodError, match=r"none\.yaml: cannot be read"):
        YamlDocument(tmp_path / "none.yaml")
