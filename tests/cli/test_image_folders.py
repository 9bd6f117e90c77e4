"""The commands of the detector with folders of images: digits in files of two sizes."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.run_cli import run
from sklearn.datasets import load_digits

from ebmood.detector.raw.saved_detector import load_saved_detector

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Training images of zeros with 8 and 24 pixels per side, other zeros, and sevens."""
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
        code, _, err = run(patch, "fit", folders / "fit", "-o", folders / "model", "--size", 8)
    assert code == 0, err
    return folders / "model"


def test_scores_are_those_of_the_estimator_with_file_names(ebmood, model, folders, tmp_path):
    code, out, err = ebmood("score", model, folders / "in", "-o", tmp_path / "s.csv", "--json")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["file", "score", "p_value", "flag"]
    assert list(scores["file"]) == sorted(
        path.relative_to(folders / "in").as_posix() for path in (folders / "in").rglob("*.png")
    )
    assert json.loads(out)["rows"] == len(scores)
    pixels = {name: np.asarray(Image.open(folders / "in" / name)) for name in scores["file"]}
    small = [name for name, image in pixels.items() if image.shape == (8, 8)]  # these are not resized
    expected = load_saved_detector(model).estimator.score_samples(
        np.stack([pixels[name] for name in small])[:, None]
    )
    np.testing.assert_array_equal(scores.set_index("file")["score"][small], expected)


def test_other_digits_are_separated_and_shown_on_a_page(ebmood, model, folders, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = ebmood(
        "evaluate", model, "--in", folders / "in", "--out", folders / "out", "--page", page, "--json"
    )
    assert code == 0, err
    assert json.loads(out)["out"][0]["auroc"] > 0.95
    text = page.read_text()
    assert "inner/" in text
    assert "not available for such inputs" in text
    assert text.count('<img src="data:image/jpeg;base64,') == 12


def test_colour_images_are_converted_to_the_greyscale_of_the_fit(ebmood, model, folders, tmp_path):
    grey = Image.open(next((folders / "in").glob("*.png")))
    (tmp_path / "both").mkdir()
    grey.save(tmp_path / "both" / "a.png")
    grey.convert("RGB").save(tmp_path / "both" / "b.png")
    assert ebmood("score", model, tmp_path / "both", "-o", tmp_path / "s.csv")[0] == 0
    first, second = pd.read_csv(tmp_path / "s.csv")["score"]
    assert first == second


def test_a_damaged_image_is_an_error_or_is_skipped(ebmood, model, folders, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    whole = next((folders / "in").glob("*.png"))
    (folder / "a.png").write_bytes(whole.read_bytes())
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:60])
    code, _, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "truncated.png" in err
    assert "--skip-corrupt" in err
    assert "skip_corrupt:" not in err
    assert not (tmp_path / "s.csv").exists()

    code, out, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv", "--skip-corrupt", "--json")
    assert code == 0, err
    assert list(pd.read_csv(tmp_path / "s.csv")["file"]) == ["a.png"]
    assert "truncated.png" in json.loads(out)["skipped"][0]


def test_evaluate_and_report_skip_and_count_what_is_not_read(ebmood, model, folders, tmp_path):
    shutil.copytree(folders / "in", tmp_path / "in")
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "in" / "float.tif")
    (tmp_path / "in" / "notes.txt").write_text("x")
    evaluate = ("evaluate", model, "--in", tmp_path / "in", "--out", folders / "out")
    report = ("report", model, "--in", tmp_path / "in", "-o", tmp_path / "page.html")
    for words in (evaluate, report):
        code, _, err = ebmood(*words)
        assert code == 2
        assert "float.tif: pixels of mode F have no known range" in err
        assert "skip damaged images with --skip-corrupt" in err
        code, _, err = ebmood(*words, "--skip-corrupt")
        assert code == 0, err
        assert err.count("skipped: ") == 1
        assert err.count("not read, as they are not images of a known kind: 1 .txt") == 1
    result = json.loads(ebmood(*evaluate, "--skip-corrupt", "--json")[1])
    assert [len(lines) for lines in result["skipped"].values()] == [1, 0]
    assert list(result["others"].values()) == [["notes.txt"], []]


def test_inputs_that_are_not_a_folder_of_images_are_refused(ebmood, model, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n2\n")
    for words, message in {
        ("fit", tmp_path / "empty", "-o", tmp_path / "m"): "without images",
        ("fit", folders / "fit", "-o", tmp_path / "m", "--drop", "x"): "--drop does not apply",
        ("fit", folders / "fit", "-o", tmp_path / "m", "--supervised"): "--supervised",
        ("fit", table, "-o", tmp_path / "m", "--size", 8): "--size does not apply",
        ("score", model, table, "-o", tmp_path / "s.csv"): "fitted on images",
        ("score", model, folders / "in", "-o", tmp_path / "folder"): "are written to one file",
        ("score", model, folders / "in", "-o", tmp_path / "s.csv", "--keep", "x"): "no columns",
    }.items():
        code, _, err = ebmood(*words)
        assert code == 2, words
        assert message in err
        assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_inspect_shows_the_image_shape(ebmood, model):
    assert "greyscale, the central square, 8 pixels per side" in ebmood("inspect", model)[1]


def test_messages_and_pages_speak_of_images_and_not_of_rows(ebmood, model, folders, tmp_path):
    both = ("--in", folders / "in", "--out", folders / "out")
    for words in (
        ("inspect", model),
        ("evaluate", model, *both),
        ("score", model, folders / "in", "-o", tmp_path / "s.csv"),
        ("report", model, *both, "-o", tmp_path / "page.html"),
        (
            "fit",
            folders / "fit",
            "-o",
            tmp_path / "m",
            "--size",
            8,
            "--calibration",
            "loo",
            "--contamination",
            0.05,
        ),
        ("recalibrate", model, folders / "in", "-o", tmp_path / "m2"),
    ):
        code, out, err = ebmood(*words)
        assert code == 0, err
        assert "image" in out + err or words[0] == "report"
        assert not re.search(r"\brows?\b", out + err), words
    feed = ("--every", "20rows", "--run-length", 500, "--page", tmp_path / "feed.html")
    for folder in "in", "out":
        code, out, err = ebmood("monitor", model, folders / folder, *feed)
        assert (code, "image" in out) == (int(folder == "out"), True), err
        assert not re.search(r"\brows?\b", out + err)
    for name, least in ("page.html", 20), ("feed.html", 8):
        html = (tmp_path / name).read_text()
        page = re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)
        assert page.count("images") > least
        assert re.findall(r".{30}\brows?\b.{30}", page) == []


def test_the_service_takes_images_but_does_not_watch_them(ebmood, model, monkeypatch, tmp_path):
    apps = []

    def keep(app, address, *_):
        apps.append(app)
        address.close()

    monkeypatch.setattr("ebmood.serving.server.serve", keep)
    code, _, err = ebmood("serve", model, "--port", "0")
    assert (code, err) == (0, "ebmood: stopped\n")
    (app,) = apps
    assert "image/*" in app.openapi()["paths"]["/score"]["post"]["requestBody"]["content"]
    code, _, err = ebmood("serve", model, "--monitor", tmp_path / "feed")
    assert code == 2
    assert "the service watches rows and not images; leave it out" in err
    assert not (tmp_path / "feed").exists()


def test_other_files_are_named_and_reasons_are_refused(ebmood, model, folders, tmp_path):
    shutil.copytree(folders / "in", tmp_path / "photos")
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    words = ("score", model, tmp_path / "photos", "-o", tmp_path / "s.csv")
    code, _, err = ebmood(*words)
    assert code == 0, err
    assert "not read, as they are not images of a known kind: 2 .heic, 1 .txt (such as a.heic)" in err
    assert json.loads(ebmood(*words, "--json")[1])["others"] == ["a.heic", "b.heic", "notes.txt"]
    code, _, err = ebmood(*words, "--reasons", "2")
    assert code == 2
    assert "leave out --reasons" in err


def test_folders_of_images_are_watched_in_the_order_of_their_paths(ebmood, model, folders, tmp_path):
    state = tmp_path / "feed.monitor"
    words = ("monitor", model, "--every", "20rows", "--delta", 0.05, "--state", state)
    code, out, err = ebmood(*words, folders / "in")
    assert (code, err) == (0, "")
    rows = len(list((folders / "in").rglob("*.png")))
    assert out.startswith(f"No alarm in {rows} images")
    assert "000.png" in out  # batches have the name of their first image
    assert "Features" not in out
    code, out, err = ebmood(*words, folders / "in", folders / "out", "--json")
    assert code == 1, err
    result = json.loads(out)
    assert abs(result["alarm"]["change"] - (rows + 1)) < 10
    assert result["alarm"]["label"].endswith(".png")
    assert result["batches"][0]["p_values"] == []


def test_a_feed_of_images_takes_no_options_of_tables(ebmood, model, folders, tmp_path):
    table = tmp_path / "feed.csv"
    table.write_text("a\n1\n")
    for words, message in {
        (folders / "in", "--drop", "a"): "--drop: for tables; leave them out with a detector of images",
        (folders / "in", "--module", "net:x"): "leave out --module",
        (folders / "in", "--every", "1d"): "images and arrays do not have",
        (table,): "a table, but the detector was fitted on images",
    }.items():
        code, out, err = ebmood("monitor", model, *words)
        assert (code, out) == (2, ""), err
        assert message in err
        assert err.count("\n") == 1
