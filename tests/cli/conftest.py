from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cell_tables import FIT_OPTIONS, write_tables
from helpers.run_cli import run


@pytest.fixture
def ebmood(monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command and returns its exit code, stdout and stderr."""
    return lambda *words: run(monkeypatch, *words)


@pytest.fixture(scope="session")
def tables(tmp_path_factory) -> Path:
    """A folder with tables of benign and malignant cells. Tests must not change it."""
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder)
    return folder


@pytest.fixture(scope="session")
def model(tables) -> Path:
    """A detector that is fitted on `fit.csv`. Tests must not change it."""
    with pytest.MonkeyPatch.context() as patch:
        code, _, err = run(patch, "fit", tables / "fit.csv", "-o", tables / "model", *FIT_OPTIONS)
    assert code == 0, err
    return tables / "model"
