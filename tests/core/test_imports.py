"""Objects by import path, and errors that fit in one line."""

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.core.imports import describe, import_object


def test_a_path_names_an_attribute_of_a_module_or_of_a_class():
    assert import_object("collections.OrderedDict", "module").__name__ == "OrderedDict"
    assert import_object("collections.OrderedDict.fromkeys", "module").__name__ == "fromkeys"


@pytest.mark.parametrize(
    "path",
    ["no.such.package", "collections.NoSuchName", "NoSuchName", "", "a b.c", "collections..OrderedDict"],
)
def test_a_path_that_cannot_be_imported_is_an_error_of_one_line(path):
    with pytest.raises(EbmoodError, match="cannot be imported") as error:
        import_object(path, "detector")
    assert str(error.value).startswith(f"detector {path!r}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (ValueError(), "ValueError"),
        (KeyError("name"), "KeyError: 'name'"),
    ],
)
def test_an_error_is_described_by_its_type_and_message_in_one_line(error, text):
    assert describe(error) == text
