"""Help texts, tables and messages show brackets as they are written."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ebmood.cli.app import app

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]
BRACKETS = re.compile(r"\S*\[[^\]]+\]\S*")


def written_texts() -> dict[str, list[str]]:
    """Return the help texts of each command as they are written, before rich reads them."""
    code = (
        "import json, typer; from ebmood.cli.app import app; group = typer.main.get_command(app);"
        "print(json.dumps({name: [c.help, c.epilog, *(getattr(p, 'help', None) for p in c.params)]"
        " for name, c in {'': group, **group.commands}.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TYPER_USE_RICH": "0"},
        capture_output=True,
        check=True,
    )
    return {name: [text for text in texts if text] for name, texts in json.loads(done.stdout).items()}


def squeezed(text: str) -> str:
    """Return a text without blanks and without the lines of rich's boxes, so that wrapping does not matter."""
    return re.sub(r"[\s│╭╮╰╯─]", "", text)


@pytest.fixture(scope="module")
def texts() -> dict[str, list[str]]:
    return written_texts()


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_every_bracket_of_a_help_text_is_shown(monkeypatch, texts, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
    result = CliRunner().invoke(app, [*([name] if name else []), "--help"])
    assert result.exit_code == 0
    assert "\\" not in result.output
    for text in texts[name]:
        assert "\\" not in text
        for part in BRACKETS.findall(text):
            assert "[bold]" not in part
            # In a narrow terminal, the lines of a text alternate with those of the column before it.
            words = [part] if width > 80 else [word for word in part.split() if "[" in word or "]" in word]
            for word in words:
                assert squeezed(word) in squeezed(result.output), word


def test_some_help_texts_have_brackets(texts):
    parts = [part for of_command in texts.values() for text in of_command for part in BRACKETS.findall(text)]
    assert any("ebmood[serve]" in part for part in parts)
    assert any("ebmood[onnx]" in part for part in parts)
    assert len(parts) > 8


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_help_without_rich_has_no_markup(name):
    words = [sys.executable, "-m", "ebmood", *([name] if name else []), "--help"]
    done = subprocess.run(words, env=os.environ | {"TYPER_USE_RICH": "0"}, capture_output=True, text=True)
    assert done.returncode == 0
    assert "[bold]" not in done.stdout
    assert "\\" not in done.stdout


NAMES = ["flow [m3/h]", "[bold]", "[/x]", "[red]level[/red]"]


@pytest.fixture
def bracketed(tmp_path):
    """A table whose column names look like markup, and a folder whose name does."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(100, 3)), columns=NAMES[:3])
    table[NAMES[3]] = rng.choice(["[a]", "[/b]"], 100)
    folder = tmp_path / "[pumps]"
    folder.mkdir()
    table.to_csv(folder / "t.csv", index=False)
    table.assign(outlier=np.arange(100) % 2).to_csv(folder / "labelled.csv", index=False)
    return folder


def test_column_names_with_brackets_go_through_every_command(ebmood, bracketed):
    model, table = bracketed / "model", bracketed / "t.csv"
    code, _, err = ebmood("fit", table, "-o", model, "--category", NAMES[3])
    assert code == 0, err
    assert str(model) in err
    keep = [word for name in NAMES for word in ("--keep", name)]
    code, _, err = ebmood("score", model, table, "-o", bracketed / "s.csv", *keep)
    assert code == 0, err
    scores = pd.read_csv(bracketed / "s.csv")
    assert list(scores) == [*NAMES, "score", "p_value", "flag", "error"]
    pd.testing.assert_frame_equal(scores[NAMES], pd.read_csv(table))
    code, out, _ = ebmood("inspect", model)
    assert code == 0
    for name in NAMES:
        assert name in out
    code, out, err = ebmood("evaluate", model, bracketed / "labelled.csv", "--label-column", "outlier")
    assert code == 0, err
    assert f"{bracketed / 'labelled.csv'}, outliers" in out
    code, _, err = ebmood("report", model, "--in", table, "-o", bracketed / "page.html")
    assert code == 0, err
    page = (bracketed / "page.html").read_text()
    for name in NAMES:
        assert name in page
    code, _, err = ebmood("score", model, table, "-o", bracketed / "s.csv", "--drop", "[/y]")
    assert (code, "[/y]: no such column" in err) == (2, True)
    pd.read_csv(table).rename(columns={"[/x]": "[x]"}).to_csv(bracketed / "u.csv", index=False)
    code, _, err = ebmood("score", model, bracketed / "u.csv", "-o", bracketed / "s.csv")
    assert code == 2
    assert "no column '[/x]'" in err
    assert "'[x]'?" in err


def test_a_bad_value_with_brackets_is_shown(ebmood, bracketed):
    code, _, err = ebmood("fit", bracketed / "t.csv", "-o", bracketed / "m", "--speed", "[bold]")
    assert code == 2
    assert "[bold]" in err


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_the_message_of_export_shows_brackets(ebmood, bracketed):
    pytest.importorskip("onnxscript")
    code, _, err = ebmood("fit", bracketed / "t.csv", "-o", bracketed / "model", "--drop", NAMES[3])
    assert code == 0, err
    code, _, err = ebmood("export", bracketed / "model", bracketed / "m.onnx")
    assert code == 0, err
    assert str(bracketed / "m.onnx") in err
