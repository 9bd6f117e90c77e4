import pytest

from ebmood.core.settings import Settings, digest


class Example(Settings):
    width: int = 3
    name: str = "a"


def test_settings_are_immutable_and_reject_unknown_keys():
    with pytest.raises(ValueError, match="frozen"):
        Example().width = 4
    with pytest.raises(ValueError, match="depth"):
        Example.model_validate({"depth": 1})


def test_updated_validates_the_copy():
    assert Example().updated(width=4) == Example(width=4)
    with pytest.raises(ValueError, match="width"):
        Example().updated(width="wide")


def test_digest_depends_on_the_values_and_not_on_their_order():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert Example().digest() == digest({"width": 3, "name": "a"})
    assert Example().digest() != Example(width=4).digest()
