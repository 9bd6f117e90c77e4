"""The detector of images in the shell: digits as files, of two kinds that differ in size."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.run_cli import run
from sklearn.datasets import load_digits

from ebmood.detector.saved_detector import load_saved_detector

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


@pytest.fixture
def ebmood(monkeypatch):
    return lambda *words: run(monkeypatch, *words)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Zeros to fit on, of 8 and of 24 pixels a side; other zeros; sevens."""
    root = tmp_path_factory.mktemp("images")
    digits = load_digits()
    zeros, sevens = (digits.images[digits.target == k] for k in (0, 7))
    for name, images in {"fit": zeros[:120], "in": zeros[120:], "out": sevens}.items():
        (root / name / "inner").mkdir(parents=True)
        for i, image in enumerate(images):
            picture = Image.fromarray((image * 15.9).astype(np.uint8))
            picture = picture.resize((24, 24)) if i % 2 else picture
            picture.save(root / name / ("inner" if i % 3 else "") / f"{i:03}.png")
    return root


@pytest.fixture(scope="module")
def model(folders):
    with pytest.MonkeyPatch.context() as patch:
        code, _, err = run(patch, "fit", folders / "fit", "-o", folders / "model", "--size", 8, "--steps", 5)
    assert code == 0, err
    return folders / "model"


def test_scores_carry_the_files_names_and_are_the_estimators(ebmood, model, folders, tmp_path):
    code, out, err = ebmood("score", model, folders / "in", "-o", tmp_path / "s.csv", "--json")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["file", "score", "p_value", "flag"]
    assert list(scores["file"]) == sorted(
        path.relative_to(folders / "in").as_posix() for path in (folders / "in").rglob("*.png")
    )
    assert json.loads(out)["rows"] == len(scores)
    pixels = {name: np.asarray(Image.open(folders / "in" / name)) for name in scores["file"]}
    small = [name for name, image in pixels.items() if image.shape == (8, 8)]  # no resizing to repeat here
    ours = load_saved_detector(model).detector.score_samples(np.stack([pixels[name] for name in small])[:, None])
    np.testing.assert_array_equal(scores.set_index("file")["score"][small], ours)


def test_other_digits_are_told_apart_and_shown_on_a_page(ebmood, model, folders, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = ebmood(
        "evaluate", model, "--in", folders / "in", "--out", folders / "out", "--page", page, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["out"][0]["auroc"] > 0.95
    text = page.read_text()
    assert "inner/" in text
    assert "not told for such inputs" in text


def test_colour_and_grey_come_to_the_shape_of_the_fit(ebmood, model, folders, tmp_path):
    grey = Image.open(next((folders / "in").glob("*.png")))
    (tmp_path / "both").mkdir()
    grey.save(tmp_path / "both" / "a.png")
    grey.convert("RGB").save(tmp_path / "both" / "b.png")
    assert ebmood("score", model, tmp_path / "both", "-o", tmp_path / "s.csv")[0] == 0
    first, second = pd.read_csv(tmp_path / "s.csv")["score"]
    assert first == second


def test_a_damaged_image_is_named_or_left_out(ebmood, model, folders, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    whole = next((folders / "in").glob("*.png"))
    (folder / "a.png").write_bytes(whole.read_bytes())
    (folder / "torn.png").write_bytes(whole.read_bytes()[:60])
    code, _, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "torn.png" in err
    assert "--skip-corrupt" in err
    assert "skip_corrupt:" not in err
    assert not (tmp_path / "s.csv").exists()

    code, out, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv", "--skip-corrupt", "--json")
    assert code == 0, err
    assert list(pd.read_csv(tmp_path / "s.csv")["file"]) == ["a.png"]
    assert "torn.png" in json.loads(out)["skipped"][0]


def test_what_is_no_folder_of_images_is_refused(ebmood, model, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n2\n")
    for words, said in {
        ("fit", tmp_path / "empty", "-o", tmp_path / "m"): "without images",
        ("fit", folders / "fit", "-o", tmp_path / "m", "--drop", "x"): "--drop does not apply",
        ("fit", folders / "fit", "-o", tmp_path / "m", "--supervised"): "--supervised",
        ("fit", table, "-o", tmp_path / "m", "--size", 8): "--size does not apply",
        ("score", model, table, "-o", tmp_path / "s.csv"): "fitted on images",
        ("score", model, folders / "in", "-o", tmp_path / "folder"): "go to one file",
        ("score", model, folders / "in", "-o", tmp_path / "s.csv", "--keep", "x"): "no columns",
    }.items():
        code, _, err = ebmood(*words)
        assert code == 2, words
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_inspect_says_what_images_become(ebmood, model):
    assert "greyscale, the centred square at 8 pixels a side" in ebmood("inspect", model)[1]
