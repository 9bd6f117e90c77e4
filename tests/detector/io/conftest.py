from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def csv(tmp_path) -> Callable[..., Path]:
    """Return a function that writes text or bytes to a CSV file."""

    def write(text: str | bytes, name: str = "t.csv") -> Path:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write
