"""The commands of the detector of patches: `fit --where`, `score --maps`, `report`, `evaluate` and `inspect`."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.filter_embedder import name_embedders
from helpers.run_cli import run

import ebmood as library
from ebmood.data.images.textures import damage_images, make_textures

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(autouse=True)
def _names(monkeypatch):
    name_embedders(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Folders of images of bricks: for the fit, others, and others with swapped patches."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    other = make_textures("wood", 10, rng, 64)
    swapped, masks = damage_images(make_textures("bricks", 10, rng, 64), "swapped patch", rng, other)
    sets = {"fit": make_textures("bricks", 60, rng, 64), "in": make_textures("bricks", 10, rng, 64)}
    for name, images in {**sets, "out": swapped}.items():
        (root / name).mkdir()
        for k, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(root / name / f"{k:02}.png")
    np.save(root / "masks.npy", masks)
    return root


@pytest.fixture(scope="module")
def model(photos):
    words = ("fit", photos / "fit", "-o", photos / "model", "--embed", "filters", "--where", "--alpha", 0.1)
    with pytest.MonkeyPatch.context() as patch:
        name_embedders(patch)
        code, _, err = run(patch, *words)
    assert code == 0, err
    assert "patches of 48 images, calibrated on 12 more" in err
    return photos / "model"


def test_scores_say_where_and_maps_are_written(ebmood, model, photos, tmp_path):
    words = ("score", model, photos / "out", "-o", tmp_path / "s.csv", "--maps", tmp_path / "maps", "--json")
    code, out, err = ebmood(*words)
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["file", "where_x", "where_y", "score", "p_value", "flag"]
    flagged = scores["file"][scores["flag"]]
    assert json.loads(out)["flagged"] == len(flagged) >= 8
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {f"{name}.png" for name in flagged}
    masks = np.load(photos / "masks.npy")
    assert masks[np.arange(10), scores["where_y"], scores["where_x"]].mean() >= 0.8
    loaded = library.load(model)
    paths = [photos / "out" / name for name in scores["file"]]
    np.testing.assert_array_equal(loaded.score_samples(paths), scores["score"])


def test_alpha_is_changed_without_a_fit(ebmood, model, photos, tmp_path):
    code, out, _ = ebmood("score", model, photos / "in", "-o", tmp_path / "s.csv", "--alpha", 0.5, "--json")
    assert code == 0
    scores = pd.read_csv(tmp_path / "s.csv")
    assert (scores["flag"] == (scores["p_value"] <= 0.5)).all()
    assert json.loads(out)["alpha"] == 0.5


def test_a_page_shows_images_without_options(ebmood, model, photos, tmp_path):
    code, _, err = ebmood("report", model, photos / "out", "-o", tmp_path / "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == 50
    assert "What is wrong" in page


def test_evaluate_and_inspect_take_the_detector(ebmood, model, photos, tmp_path):
    words = ("evaluate", model, "--in", photos / "in", "--out", photos / "out", "--page", tmp_path / "p.html")
    code, out, err = ebmood(*words, "--json")
    assert code == 0, err
    assert json.loads(out)["out"][0]["auroc"] >= 0.95
    assert "AUROC" in (tmp_path / "p.html").read_text()
    code, out, _ = ebmood("inspect", model)
    assert code == 0
    assert "patches and pictures of 48 training images" in out
    content = json.loads(ebmood("inspect", model, "--json")[1])
    assert content["calibration_rows"] == 12
    assert content["embedder"]["name"] == "filters"


def test_a_feed_of_images_is_watched(ebmood, model, photos):
    code, out, err = ebmood("monitor", model, photos / "in", photos / "out", "--delta", 0.2, "--json")
    assert code == 1, err
    assert 10 < json.loads(out)["alarm"]["change"] < 15


def test_prototypes_are_saved_without_pictures(ebmood, photos, tmp_path):
    words = ("--embed", "filters", "--where", "--memory", "prototypes", "--alpha", 0.1, "--json")
    code, out, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", *words)
    assert code == 0, err
    content = json.loads(out)
    assert content["pictures"] == 0
    assert content["held"] == "prototypes of patches"


def test_what_does_not_apply_is_one_line(ebmood, model, photos, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n2\n")
    fit = ("fit", photos / "fit", "-o", tmp_path / "m")
    pooled = tmp_path / "pooled"
    assert ebmood("fit", photos / "fit", "-o", pooled, "--embed", "pooled", "--alpha", 0.2)[0] == 0
    maps = ("--maps", tmp_path / "x")
    for words, message in {
        (*fit, "--where"): "--where: no network is named; give --embed one of: efficientnet-lite0",
        (*fit, "--where", "--embed", "pooled"): "pooled has no feature maps",
        (*fit, "--where", "--embed", "filters", "--contamination", "auto"): "--contamination does not apply",
        (*fit, "--where", "--embed", "filters", "--speed", "fast"): "--speed does not apply",
        (*fit, "--where", "--embed", "filters", "--calibration", "loo"): "calibrated on random other images",
        ("fit", table, "-o", tmp_path / "m", "--where"): "--where does not apply",
        ("score", model, table, "-o", tmp_path / "s.csv"): "fitted on images",
        ("score", model, table, "-o", tmp_path / "s.csv", *maps): "--maps is for a folder",
        ("score", pooled, photos / "in", "-o", tmp_path / "s.csv", *maps): "the detector has no patches",
        ("score", model, photos / "in", "-o", tmp_path / "s"): "are written to one file",
        (
            "score",
            model,
            photos / "in",
            "-o",
            tmp_path / "s.csv",
            "--maps",
            photos / "in",
        ): "lies in the folder",
        ("report", model, table, "-o", tmp_path / "p.html"): "a table, but the detector was fitted on images",
        ("monitor", model, table): "a table, but the detector was fitted on images",
        ("recalibrate", model, table): "a table, but the detector was fitted on images",
        ("recalibrate", model, photos / "in", "--drop", "a"): "images have no columns",
        ("export", model, tmp_path / "e.onnx"): "a detector of patches",
    }.items():
        code, _, err = ebmood(*words)
        assert code == 2, (words, err)
        assert message in err, words
        assert err.count("\n") == 1, err


def test_recalibration_replaces_the_images_for_calibration(ebmood, model, photos, tmp_path):
    code, out, err = ebmood("recalibrate", model, photos / "in", "-o", tmp_path / "m", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert (content["calibration_rows"], content["skipped"]) == (10, [])
    code, _, err = ebmood("score", tmp_path / "m", photos / "in", "-o", tmp_path / "s.csv")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")["score"]
    assert sorted(scores) == pytest.approx(library.load(tmp_path / "m").calibration_scores_)
    assert content["offset"] == pytest.approx(scores.min())
    assert "recalibrate" in ebmood("inspect", tmp_path / "m")[1]
    code, _, err = ebmood("recalibrate", model, photos / "out", "-o", tmp_path / "n")
    assert (code, "calibrated on 10 images" in err) == (0, True)
