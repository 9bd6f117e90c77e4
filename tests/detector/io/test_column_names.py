import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.column_names import match_columns


def test_columns_are_matched_by_name_and_by_pattern():
    assert match_columns(["i*", "a"], ["a", "id", "i*"], "t", "--drop") == ["a", "i*"]


def test_a_name_without_a_column_is_an_error_with_similar_names():
    with pytest.raises(EbmoodError, match=r"drop='bat': no such column; similar columns: 'bath'"):
        match_columns(["bat"], ["bath", "x"], "t", "--drop")
    with pytest.raises(EbmoodError, match="no such column; existing columns: 'bath', 'x'"):
        match_columns(["zzz"], ["bath", "x"], "t", "--drop")
