"""`--embed` and `--text` on the command line."""

import csv
import json
import sys

import numpy as np
import pandas as pd
import pytest
from helpers.onnx_embedder import write_embedder
from helpers.run_cli import run

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Training photos, similar ones and light ones, of several sizes, and a network."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, count, low in (("fit", 100, 90), ("in", 30, 90), ("out", 8, 180)):
        (root / name).mkdir()
        for k in range(count):
            pixels = rng.integers(low, low + 30, (16 + k % 4, 16 + k % 3, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{k:02}.png")
    write_embedder(root / "e.onnx")
    return root


@pytest.fixture(scope="module")
def model(photos, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EBMOOD_CACHE", str(tmp_path_factory.mktemp("cache")))
        embed = f"{photos / 'e.onnx'}#features"
        code, out, err = run(patch, "fit", photos / "fit", "-o", photos / "model", "--embed", embed, "--json")
    assert code == 0, err
    assert json.loads(out)["embedder"]["output"] == "features"
    return photos / "model"


def test_score_needs_no_option_and_evaluate_and_report_work(ebmood, model, photos, tmp_path):
    code, _, err = ebmood("score", model, photos / "out", "-o", tmp_path / "s.csv")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores["file"]) == [f"{k:02}.png" for k in range(8)]
    assert scores["flag"].all()
    code, out, err = ebmood(
        "evaluate",
        model,
        "--in",
        photos / "in",
        "--out",
        photos / "out",
        "--page",
        tmp_path / "e.html",
        "--json",
    )
    assert code == 0, err
    assert json.loads(out)["out"][0]["auroc"] == 1.0
    assert "e.onnx" in (tmp_path / "e.html").read_text()
    code, _, err = ebmood("report", model, "-o", tmp_path / "r.html")
    assert code == 0, err
    code, out, err = ebmood("inspect", model)
    assert "output features: 48 features, pixels imagenet" in " ".join(out.split())


def test_a_changed_or_absent_network_is_one_line(ebmood, model, photos, tmp_path):
    moved = tmp_path / "moved.onnx"
    (photos / "e.onnx").rename(moved)
    try:
        code, _, err = ebmood("score", model, photos / "out", "-o", tmp_path / "s.csv")
        assert code == 2
        assert err.count("\n") == 1
        assert "give --embed FILE.onnx" in err
        code, _, err = ebmood("score", model, photos / "out", "-o", tmp_path / "s.csv", "--embed", moved)
        assert code == 0, err
        write_embedder(photos / "e.onnx", scale=2.0)
        code, _, err = ebmood("score", model, photos / "out", "-o", tmp_path / "s.csv")
        assert code == 2
        assert err.count("\n") == 1
        assert "is not the embedder of the fit" in err
    finally:
        moved.rename(photos / "e.onnx")


def test_a_damaged_photo_is_named_or_skipped(ebmood, model, photos, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "a.png").write_bytes((photos / "in" / "00.png").read_bytes())
    (folder / "b.png").write_bytes((photos / "in" / "01.png").read_bytes()[:80])
    code, _, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "b.png: not a readable image" in err
    assert "--skip-corrupt" in err
    code, out, err = ebmood("score", model, folder, "-o", tmp_path / "s.csv", "--skip-corrupt", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["rows"] == 1
    assert len(result["skipped"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-size", "32"], "--image-size: needs --embed"),
        (["--embed", "e", "--size", "8"], "--size is for pixels"),
        (["--embed", "resnet"], "--embed 'resnet': unknown"),
        (["--embed", "none.onnx"], "no such file"),
    ],
)
def test_options_that_do_not_fit(ebmood, photos, tmp_path, options, message):
    code, _, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", *options)
    assert code == 2
    assert message in err


def test_a_module_of_the_current_folder_is_named_again_at_scoring(ebmood, photos, tmp_path, monkeypatch):
    (tmp_path / "cli_network.py").write_text(
        "from torch import nn\nnet = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = "cli_network:net"
    code, _, err = ebmood("fit", photos / "fit", "-o", "m", "--embed", name, "--image-size", "16")
    assert code == 0, err
    code, _, err = ebmood("score", "m", photos / "out", "-o", "s.csv")
    assert code == 2
    assert "give --embed cli_network:net" in err
    code, _, err = ebmood("score", "m", photos / "out", "-o", "s.csv", "--embed", name)
    assert code == 0, err


REVIEWS = [f"the {noun} of room {k} was {state}" for k in range(25) for noun in ("bed", "floor")
           for state in ("clean", "cold")]  # fmt: skip


def write_table(path, texts, numbers):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("review", "stars"), *zip(texts, numbers, strict=True)])
    return path


def test_a_column_of_text(ebmood, tmp_path):
    pytest.importorskip("wordllama")
    stars = np.random.default_rng(0).normal(3, 1, len(REVIEWS)).round(3)
    table = write_table(tmp_path / "t.csv", REVIEWS, stars)
    code, _, err = ebmood("check", table)
    assert "--text 'review'" in err
    code, out, err = ebmood("check", table, "--text", "review", "--json")
    assert json.loads(out)["columns"][0]["treatment"] == "256 features of wordllama"
    code, _, err = ebmood("fit", table, "-o", tmp_path / "m", "--text", "review", "--speed", "fast")
    assert code == 0, err
    assert "texts: review (256 features of wordllama)" in err
    assert "the features of review outweigh the 1 other column;" in err
    others = write_table(tmp_path / "o.csv", ["stock prices fell on Monday", "", REVIEWS[0]], [3, 3, 3])
    code, _, err = ebmood("score", tmp_path / "m", others, "-o", tmp_path / "s.csv")
    assert code == 0, err
    assert pd.read_csv(tmp_path / "s.csv")["flag"].tolist() == [True, True, False]
    code, out, err = ebmood("inspect", tmp_path / "m")
    assert "257: stars" in out
    import ebmood as package

    frames = package.load(tmp_path / "m")
    scores = frames.score_samples([{"review": "stock prices fell on Monday", "stars": 3}])
    assert scores[0] == pd.read_csv(tmp_path / "s.csv")["score"][0]


def test_a_table_has_no_embed(ebmood, tmp_path):
    table = write_table(tmp_path / "t.csv", REVIEWS, range(len(REVIEWS)))
    code, _, err = ebmood("fit", table, "-o", tmp_path / "m", "--embed", "wordllama")
    assert code == 2
    assert "give --text COLUMN" in err


def test_a_command_without_embed_does_not_advise_it_when_the_network_is_absent(ebmood, photos, tmp_path):
    write_embedder(tmp_path / "gone.onnx")
    code, _, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", "--embed", tmp_path / "gone.onnx")
    assert code == 0, err
    (tmp_path / "gone.onnx").unlink()
    code, _, err = ebmood("export", tmp_path / "m", tmp_path / "x.onnx")
    assert code == 2
    assert "was fitted on images" in err
    assert "--embed" not in err


def test_a_feed_is_watched_with_a_network_that_has_moved(ebmood, photos, tmp_path):
    write_embedder(tmp_path / "gone.onnx")
    code, _, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", "--embed", tmp_path / "gone.onnx")
    assert code == 0, err
    (tmp_path / "gone.onnx").rename(tmp_path / "there.onnx")
    code, _, err = ebmood("monitor", tmp_path / "m", photos / "out")
    assert code == 2
    assert "give --embed FILE.onnx" in err
    code, out, err = ebmood(
        "monitor", tmp_path / "m", photos / "out", "--embed", tmp_path / "there.onnx", "--json"
    )
    assert code in (0, 1), err
    assert json.loads(out)["rows"] == len(list((photos / "out").iterdir()))


def test_only_networks_for_images_are_proposed(ebmood, photos, tmp_path):
    code, _, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", "--embed", "nonsense")
    assert code == 2
    assert "give efficientnet-lite0, FILE.onnx" in err
    code, _, err = ebmood("fit", photos / "fit", "-o", tmp_path / "m", "--embed", "no_package:network")
    assert code == 2
    assert "put its file in the current folder" in err


def test_a_text_column_that_does_not_exist_is_one_line(ebmood, tmp_path):
    (tmp_path / "t.csv").write_text("review,stars\ngood tea,3\n")
    code, _, err = ebmood("check", tmp_path / "t.csv", "--text", "reviews")
    assert code == 2
    assert "--text reviews: no such column; similar columns: 'review'" in err


def test_a_text_column_without_texts_is_left_out(ebmood, tmp_path):
    pytest.importorskip("tokenizers")
    pytest.importorskip("wordllama")
    (tmp_path / "t.csv").write_text("review,stars\n,3\n  ,4\n,5\n")
    code, out, err = ebmood("check", tmp_path / "t.csv", "--text", "review", "--json")
    assert code == 0, err
    assert "has no texts" in out


def test_an_empty_file_is_described_without_an_address_in_memory(ebmood, photos, model, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "e.jpg").touch()
    code, _, err = ebmood("score", model, tmp_path / "new", "-o", tmp_path / "s.csv")
    assert code == 2
    assert "e.jpg: not a readable image (empty, or of an unknown format)" in err
    assert not (tmp_path / "s.csv").exists()
