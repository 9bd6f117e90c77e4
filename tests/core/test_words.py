import unicodedata

import pytest

from ebmood.core.words import noun, printable


@pytest.mark.parametrize("number", [0, 1, 2, 1200])
def test_only_one_thing_is_singular(number):
    assert (noun(number, "row") == "row") == (number == 1)


def test_no_control_character_is_printed_as_it_is():
    for code in range(0x3000):
        character = chr(code)
        shown = printable(f"a{character}b")
        if unicodedata.category(character) == "Cc" and character not in "\n\t":
            assert shown.isprintable()
        if shown != f"a{character}b":
            assert shown.encode("ascii").decode("unicode_escape") == f"a{character}b"


def test_words_of_any_language_are_printed_as_they_are():
    for text in ("Köln", "温度", "درجة", "🙂\u200d🌾", "a\nb\tc"):
        assert printable(text) == text
