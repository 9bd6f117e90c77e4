"""Study files of tests."""

from pathlib import Path

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.study.study_file import load_study


def write_study(folder: Path, text: str, name: str = "mine.yaml") -> str:
    """Write a study file. Return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


def study_error(folder: Path, text: str) -> str:
    """Return the error of a study file: one line that starts with the path, which is removed."""
    with pytest.raises(EbmoodError) as caught:
        load_study(write_study(folder, text))
    message = str(caught.value)
    assert message.startswith(str(folder / "mine.yaml"))
    assert "\n" not in message
    return message.removeprefix(str(folder / "mine.yaml"))
