"""Messages name parameters in Python and options on the shell."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ebmood
from ebmood import EnergyDetector, InputError
from ebmood.core.interface import shell_messages
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.raw.table_detector import TableDetector

ROOT = Path(ebmood.__file__).parent
OF_THE_SHELL = {
    "detector/raw/folder_scoring.py": "only `ebmood score` scores folders",
    "detector/io/score_writer.py": "only `ebmood score` writes scores",
    "detector/parameters.py": "`parse_calibration` and `parse_contamination` read options",
    "detector/raw/saved_detector.py": "options of `ebmood score` with images",
}
SELECTS = {"for_interface", "format_option", "match_columns"}
OPTION = re.compile(r"--[a-z]|`-[a-z]\b| -[a-z]\b")


def texts_with_options(source: str) -> list[str]:
    """Return texts that name options, without docstrings and without arguments of the functions that select texts."""
    tree = ast.parse(source)
    ignored = set()
    for node in ast.walk(tree):
        is_selected = isinstance(node, ast.Call) and getattr(node.func, "id", "") in SELECTS
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_table = isinstance(node, ast.Dict)  # options and their parameters
        if is_selected or is_docstring or is_table or isinstance(node, ast.Compare):
            ignored |= {id(child) for child in ast.walk(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in ignored
        and OPTION.search(node.value)
    ]


@pytest.mark.parametrize("package", ["core", "detector"])
def test_texts_of_the_library_do_not_name_options(package):
    found = {
        path.relative_to(ROOT).as_posix(): texts
        for path in (ROOT / package).rglob("*.py")
        if (texts := texts_with_options(path.read_text()))
    }
    assert {name: texts for name, texts in found.items() if name not in OF_THE_SHELL} == {}


def test_the_search_can_fail():
    assert texts_with_options('raise ValueError(f"{x}: use --drop")') == [": use --drop"]
    assert texts_with_options('"""About --drop."""\nf(for_interface("--drop", "drop="))') == []


FRAME = pd.DataFrame({"flow": np.random.default_rng(0).normal(size=40), "site": ["a", "b"] * 20})
CASES = [
    (FRAME.assign(empty=None), r"X.drop\(columns=\['empty'\]\)", "--drop empty"),
    (FRAME.assign(id=[f"r {i}" for i in range(40)]), r"X.drop\(columns=\['id'\]\)", "--drop id"),
    (FRAME.assign(**{"a b": np.inf}), r"X.drop\(columns=\['a b'\]\)", "column 'a b'.*--drop"),
    (FRAME.assign(flow=FRAME["flow"] * 1e200), r"X.drop\(columns=\['flow'\]\)", "--drop flow"),
]


@pytest.mark.parametrize(("frame", "python", "shell"), CASES)
def test_the_same_problem_is_explained_for_each_interface(frame, python, shell):
    with pytest.raises(InputError, match=python) as in_python:
        EnergyDetector().fit(frame)
    assert "--" not in str(in_python.value)
    categories = [name for name in ("site", "id", "empty") if name in frame]
    with shell_messages(), pytest.raises(InputError, match=shell):
        TableDetector.fit(EnergyDetector(), FrameStream(frame), Choices(categories=categories))


def test_an_array_has_no_column_names():
    with pytest.raises(InputError, match=r"leave it out with np.delete\(X, 1, axis=1\)"):
        EnergyDetector().fit([[1.0, None], [2.0, None], [3.0, None]])
