"""`ebmood fit-classifier` and `ebmood score` with its detector: arrays, images and ONNX graphs, and their errors."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.classifier_outputs import labelled_rows, other_rows, trained_classifier
from helpers.run_cli import run
from safetensors.torch import save_file

from ebmood.classifiers import ClassifierDetector
from ebmood.core.metrics import separation
from ebmood.monitoring import Monitor

MODULE = "helpers.classifier_outputs:SmallClassifier"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Held-out rows, new rows, and the weights of the network. Tests must not change them."""
    folder = tmp_path_factory.mktemp("classifier")
    x, y = labelled_rows(300, seed=1)
    np.savez(folder / "held-out.npz", X=x.numpy(), y=y.numpy())
    np.savez(folder / "new.npz", X=torch.cat([labelled_rows(30, seed=2)[0], other_rows(30, seed=3)]).numpy())
    save_file(dict(trained_classifier().state_dict()), folder / "net.safetensors")
    return folder


def network(files: Path) -> tuple[object, ...]:
    return "--module", MODULE, "--weights", files / "net.safetensors"


def test_scores_are_those_of_python(ebmood, files, tmp_path):
    fit = ("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *network(files))
    code, out, err = ebmood(*fit, "--score", "mahalanobis", "--class-conditional", "--alpha", 0.1, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["rows"], result["calibration_rows"], result["features"], result["classes"]) == (
        240,
        60,
        12,
        4,
    )
    assert result["accuracy"] > 0.8
    words = ("score", tmp_path / "model", files / "new.npz", "-o", tmp_path / "s.csv", *network(files))
    code, out, err = ebmood(*words, "--json")
    assert code == 0, err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores) == ["score", "p_value", "flag", "error"]
    x, y = labelled_rows(300, seed=1)
    detector = ClassifierDetector(
        trained_classifier(), score="mahalanobis", class_conditional=True, alpha=0.1, random_state=0
    ).fit(x, y)
    batch = detector.score_batch(np.load(files / "new.npz")["X"])
    np.testing.assert_allclose(scores["score"], batch.scores, rtol=1e-5)
    np.testing.assert_allclose(scores["p_value"], batch.p_values)
    assert json.loads(out)["flagged"] == batch.flags.sum() > 0


def test_the_messages_name_rates_and_the_network(ebmood, files, tmp_path):
    fit = ("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *network(files))
    code, _, err = ebmood(*fit)
    assert code == 0
    assert re.search(
        r"from 240 rows and 60 calibration rows; the network predicts [0-9.]+% of all",
        err,
    )
    assert "expected false alarms: 4.92% of rows like these" in err
    code, _, err = ebmood("score", tmp_path / "model", files / "new.npz", "-o", tmp_path / "s.csv")
    assert code == 2
    assert f"give --module {MODULE}, with --weights FILE" in err
    words = ("score", tmp_path / "model", files / "new.npz", "-o", tmp_path / "s.csv", "--module", MODULE)
    code, _, err = ebmood(*words)
    assert code == 2
    assert "network: the weights of SmallClassifier differ" in err
    assert "give these with --weights" in err
    code, _, err = ebmood(*words[:-2], "--onnx", "net.onnx")
    assert code == 2
    assert f"was fitted with --module {MODULE}; give it again" in err
    code, _, err = ebmood(*words, "--keep", "id", "-j", 2)
    assert code == 2
    assert "--keep, -j: for tables" in err
    code, out, err = ebmood(*words, "--maps", tmp_path / "maps", "--embed", "x.onnx")
    assert (code, "--maps, --embed: for tables" in err) == (2, True)
    code, out, err = ebmood(
        "score", tmp_path / "model", files / "new.npz", "-o", "-", "--json", "--module", MODULE
    )
    assert (code, out) == (2, "")
    assert "-o - and --json both write to standard output" in err
    assert not (tmp_path / "s.csv").exists()


def test_an_npy_file_holds_the_rows(ebmood, files, tmp_path):
    fit = ("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *network(files))
    assert ebmood(*fit, "--score", "energy")[0] == 0
    np.save(tmp_path / "new.npy", np.load(files / "new.npz")["X"])
    for rows in (files / "new.npz", tmp_path / "new.npy"):
        out = tmp_path / f"{rows.suffix[1:]}.csv"
        code, _, err = ebmood("score", tmp_path / "model", rows, "-o", out, *network(files))
        assert code == 0, err
    assert (tmp_path / "npz.csv").read_text() == (tmp_path / "npy.csv").read_text()


def write_images(folder: Path, count: int) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, level in (("bright", 200), ("dark", 50)):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = np.clip(level + 20 * rng.normal(size=(9, 9, 3)), 0, 255).astype(np.uint8)
            image.fromarray(pixels).save(folder / name / f"{k:03}.png")


BRIGHTNESS = """
import torch
from torch import nn


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[1.0, 1, 1], [-1, -1, -1]]))
            self.fc.bias.zero_()

    def forward(self, x):
        assert x.shape[1:] == (3, 8, 8)
        return self.fc(x.mean((2, 3)))


classifier = Brightness()
"""


def test_the_service_does_not_take_such_a_detector_and_names_a_command_that_does(ebmood, tmp_path):
    (tmp_path / "classifier.json").write_text("{}")
    code, _, err = ebmood("serve", tmp_path)
    assert code == 2
    assert "a detector of a classifier, to which this does not apply; `ebmood score`" in err


def test_a_folder_of_images_with_a_subfolder_for_each_class(ebmood, tmp_path, monkeypatch):
    write_images(tmp_path / "photos", 60)
    monkeypatch.chdir(tmp_path)
    Path("brightness_net.py").write_text(BRIGHTNESS)
    net = ("--module", "brightness_net:classifier")
    fit = ("fit-classifier", "photos", "-o", "model", *net, "--score", "knn", "--json")
    code, _, err = ebmood(*fit)
    assert code == 2
    assert "--size" in err
    code, out, err = ebmood(*fit, "--size", 8)
    assert code == 0, err
    assert json.loads(out)["accuracy"] == 1.0
    code, _, err = ebmood("score", "model", "photos", "-o", "s.csv", *net)
    assert code == 0, err
    scores = pd.read_csv("s.csv")
    assert list(scores) == ["file", "score", "p_value", "flag"]
    assert scores["file"].tolist() == sorted(f"{c}/{k:03}.png" for c in ("bright", "dark") for k in range(60))
    assert scores["flag"].mean() < 0.2
    (tmp_path / "photos" / "grey").mkdir()
    (tmp_path / "photos" / "dark" / "000.png").rename(tmp_path / "photos" / "grey" / "000.png")
    code, _, err = ebmood(*fit, "--size", 8)
    assert code == 2
    assert "must be from 0 to 1" in err


def test_rows_with_nan_are_marked_or_refused_with_the_file_and_the_row(ebmood, files, tmp_path):
    fit = ("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *network(files))
    assert ebmood(*fit)[0] == 0
    x = np.load(files / "new.npz")["X"].copy()
    x[3, 0], x[50, 1] = np.nan, np.inf
    np.savez(tmp_path / "bad.npz", X=x)
    words = ("score", tmp_path / "model", tmp_path / "bad.npz", "-o", tmp_path / "s.csv", *network(files))
    code, _, err = ebmood(*words)
    assert code == 2
    assert (
        f"2 of 60 rows cannot be read, more than 0.001 of them; the first: {tmp_path / 'bad.npz'}: X[3]: the row"
        in err
    )
    code, _, err = ebmood(*words, "--on-error", "fail")
    assert code == 2
    assert f"{tmp_path / 'bad.npz'}: X[3]: the row holds NaN or infinity; correct it" in err
    assert not (tmp_path / "s.csv").exists()
    code, _, err = ebmood(*words, "--max-bad", "0.1")
    assert code == 0, err
    assert "bad rows, without a score: 2; the first:" in err
    scores = pd.read_csv(tmp_path / "s.csv")
    assert (
        list(np.flatnonzero(scores["score"].isna()))
        == [3, 50]
        == list(np.flatnonzero(scores["error"].notna()))
    )
    assert (
        ebmood("score", tmp_path / "model", files / "new.npz", "-o", tmp_path / "t.csv", *network(files))[0]
        == 0
    )
    others = np.setdiff1d(np.arange(60), [3, 50])
    np.testing.assert_allclose(
        scores["score"][others], pd.read_csv(tmp_path / "t.csv")["score"][others], rtol=1e-5
    )


def test_an_image_with_nan_features_is_named(ebmood, tmp_path, monkeypatch):
    write_images(tmp_path / "photos", 30)
    monkeypatch.chdir(tmp_path)
    broken = BRIGHTNESS.replace(
        "x.mean((2, 3))", "(x.mean((2, 3)) * torch.where(x.mean((1, 2, 3)) < 0, torch.nan, 1)[:, None])"
    )
    Path("broken_net.py").write_text(broken)
    code, _, err = ebmood(
        "fit-classifier", "photos", "-o", "model", "--module", "broken_net:classifier", "--size", 8
    )
    assert code == 2
    assert "photos/dark/000.png: the features are not finite" in err
    assert not Path("model").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter warns of its own internals
def test_an_onnx_graph_gives_the_scores_of_its_network(ebmood, files, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = trained_classifier()

        def forward(self, x):
            features = self.inner.body(x)
            return self.inner.head(features), features

    torch.onnx.export(
        Both().eval(),
        (torch.zeros(2, 6),),
        tmp_path / "net.onnx",
        input_names=["x"],
        output_names=["logits", "embedding"],
        dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
        dynamo=True,
        verbose=False,
    )
    net = ("--onnx", tmp_path / "net.onnx")
    fit = ("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *net, "--score", "mahalanobis")
    code, _, err = ebmood(*fit)
    assert code == 2
    assert "has no output 'features'; its outputs are logits, embedding" in err
    code, _, err = ebmood(*fit, "--features", "embedding")
    assert code == 0, err
    code, _, err = ebmood("score", tmp_path / "model", files / "new.npz", "-o", tmp_path / "s.csv", *net)
    assert code == 0, err
    x, y = labelled_rows(300, seed=1)
    detector = ClassifierDetector(trained_classifier(), score="mahalanobis", random_state=0).fit(x, y)
    expected = detector.score_samples(np.load(files / "new.npz")["X"])
    np.testing.assert_allclose(pd.read_csv(tmp_path / "s.csv")["score"], expected, rtol=1e-4)
    for score, message in (("odin", "an ONNX graph has none"), ("vim", "needs the last linear layer")):
        code, _, err = ebmood(*fit[:-1], score, "--features", "embedding")
        assert code == 2
        assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either --module PATH or --onnx FILE"),
        (("--module", "no_such_module:net"), "module 'no_such_module:net' cannot be imported"),
        (("--module", MODULE, "--layer", "head.0"), "has no layer 'head.0'"),
        (("--module", MODULE, "--weights", "none.safetensors"), "none.safetensors: not a readable"),
        (("--module", MODULE, "--score", "guess"), "--score guess: unknown; the scores are"),
        (
            ("--module", "torch.nn:Identity"),
            "has no nn.Linear whose input could be the features and no layers",
        ),
        (("--onnx", "none.onnx"), "none.onnx: cannot be read"),
        (
            ("--module", MODULE, "--calibration", "loo"),
            "--calibration loo: a classifier is calibrated on random rows",
        ),
    ],
)
def test_options_that_cannot_be_used(ebmood, files, tmp_path, words, message):
    code, _, err = ebmood("fit-classifier", files / "held-out.npz", "-o", tmp_path / "model", *words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((30, 6))}, "no array X; the arrays are x"),
        ({"X": np.zeros((30, 5))}, "refuses rows 0 to 29 of shape (5,)"),
        ({"X": np.zeros(6)}, "for inputs of shape (6,), not one row for each of 6; give rows, (N, ...)"),
        ({"X": np.array([{}])}, "not a readable .npz file"),
        ({"X": np.zeros((30, 6)), "y": np.full(30, 7)}, "labels: row 0: 7; must be from 0 to 3"),
    ],
)
def test_arrays_that_cannot_be_used(ebmood, files, tmp_path, arrays, message):
    np.savez(tmp_path / "rows.npz", **arrays)
    code, _, err = ebmood("fit-classifier", tmp_path / "rows.npz", "-o", tmp_path / "model", *network(files))
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_network_for_a_detector_of_tables_is_refused(ebmood, model, tables, tmp_path):
    table = tables / "in.csv"
    for words in (
        ("score", model, table, "-o", tmp_path / "s.csv"),
        ("evaluate", model, "--in", table, "--out", table),
        ("recalibrate", model, table, "-o", tmp_path / "new"),
    ):
        code, _, err = ebmood(*words, "--module", MODULE)
        assert code == 2
        assert "not a detector of a classifier" in err
    assert not list(tmp_path.iterdir())


def fit(ebmood, files: Path, model: Path, *options: object) -> Path:
    code, _, err = ebmood("fit-classifier", files / "held-out.npz", "-o", model, *network(files), *options)
    assert code == 0, err
    return model


def test_inspect_shows_the_network_the_score_and_the_calibration(ebmood, files, tmp_path):
    model = fit(ebmood, files, tmp_path / "model", "--score", "knn", "--class-conditional")
    code, out, err = ebmood("inspect", model, "--json")
    assert code == 0, err
    content = json.loads(out)
    detector = ClassifierDetector.load(model, trained_classifier())
    assert content["network"]["sha256"] == detector.network_digest_
    assert content["network"]["module"] == MODULE
    assert (content["training_rows"], content["calibration_rows"], content["classes"]) == (240, 60, 4)
    assert content["false_alarm_rate"] == detector.false_alarm_rate_
    assert sum(content["calibration_rows_of_classes"].values()) == 60
    code, out, _ = ebmood("inspect", model)
    assert code == 0
    for text in ("SmallClassifier", MODULE, "12 features, 4 logits", "knn", "by predicted class"):
        assert text in out


def test_evaluate_measures_what_python_does(ebmood, files, tmp_path):
    model = fit(ebmood, files, tmp_path / "model", "--alpha", 0.1)
    x, _ = labelled_rows(200, seed=4)
    other = other_rows(100, seed=5)
    np.savez(tmp_path / "normal.npz", X=x.numpy())
    np.savez(tmp_path / "other.npz", X=other.numpy())
    words = (
        "evaluate",
        model,
        "--in",
        tmp_path / "normal.npz",
        "--out",
        tmp_path / "other.npz",
        *network(files),
    )
    code, out, err = ebmood(*words, "--json")
    assert code == 0, err
    result = json.loads(out)
    detector = ClassifierDetector.load(model, trained_classifier())
    expected = separation(detector.score_samples(x), detector.score_samples(other))
    assert result["out"][0]["auroc"] == pytest.approx(expected.auroc, abs=1e-6)
    assert result["in"]["flagged"] == (detector.predict(x) == -1).mean()
    code, out, _ = ebmood(*words)
    assert code == 0
    assert "standard deviation" in out
    code, _, err = ebmood(*words, "--drop", "id")
    assert code == 2
    assert "--drop: for tables" in err
    code, _, err = ebmood(*words, "--page", tmp_path / "evaluated.html")
    assert code == 0, err
    report = ("report", model, "-o", tmp_path / "report.html", *words[2:])
    code, _, err = ebmood(*report)
    assert code == 0, err
    page = (tmp_path / "report.html").read_text()
    assert page == (tmp_path / "evaluated.html").read_text()
    assert f"{result['out'][0]['auroc']:.3f}" in page
    code, _, err = ebmood("report", model, "-o", tmp_path / "none.html")
    assert code == 2
    assert f"give --module {MODULE}" in err
    assert not (tmp_path / "none.html").exists()


def test_recalibrate_replaces_the_calibration_and_keeps_the_scores(ebmood, files, tmp_path):
    model = fit(ebmood, files, tmp_path / "model")
    x, _ = labelled_rows(250, seed=6)
    np.savez(tmp_path / "today.npz", X=x.numpy())
    words = ("recalibrate", model, tmp_path / "today.npz", "-o", tmp_path / "new", *network(files))
    code, out, err = ebmood(*words, "--json")
    assert code == 0, err
    assert json.loads(out)["calibration_rows"] == 250
    before, after = (
        ClassifierDetector.load(path, trained_classifier()) for path in (model, tmp_path / "new")
    )
    np.testing.assert_array_equal(after.score_samples(x), before.score_samples(x))
    assert len(before.calibration_scores_) == 60
    np.testing.assert_allclose(after.calibration_scores_, np.sort(before.score_samples(x)), rtol=1e-5)
    assert after.notes_ == before.notes_
    x[7, 2] = np.nan
    np.savez(tmp_path / "today.npz", X=x.numpy())
    code, _, err = ebmood(*words)
    assert code == 2
    assert "today.npz: X[7]" in err


@pytest.fixture(scope="module")
def feeds(files) -> Path:
    """A detector in `model`, and feeds: normal rows, and rows that change after 100. Tests must not change them."""
    with pytest.MonkeyPatch.context() as patch:
        fit = ("fit-classifier", files / "held-out.npz", "-o", files / "model", *network(files))
        code, _, err = run(patch, *fit, "--score", "knn")
    assert code == 0, err
    normal = labelled_rows(300, seed=5)[0].numpy()
    np.savez(files / "monday.npz", X=normal[:200])
    np.save(files / "tuesday.npy", np.concatenate([normal[200:], other_rows(200, seed=6).numpy()]))
    return files


def test_a_feed_of_arrays_is_watched_as_in_python(ebmood, feeds, tmp_path):
    words = ("monitor", feeds / "model", feeds / "monday.npz", *network(feeds), "--every", "150rows")
    code, out, err = ebmood(*words)
    assert (code, err) == (0, "")
    assert out.startswith("No alarm in 200 rows")
    assert "Features" not in out
    page = tmp_path / "page.html"
    code, out, err = ebmood(*words, feeds / "tuesday.npy", "--json", "--page", page)
    assert code == 1
    assert err.startswith("alarm: row ")
    x = np.concatenate([np.load(feeds / "monday.npz")["X"], np.load(feeds / "tuesday.npy")])
    monitor = Monitor(ClassifierDetector.load(feeds / "model", trained_classifier()), watch_features=False)
    for start in range(0, 500, 150):
        state = monitor.update(x[start : start + 150])
    result = json.loads(out)
    assert result["alarm"]["row"] == state.alarm.row + 1
    assert abs(result["alarm"]["change"] - 301) < 30
    assert [batch["rows"] for batch in result["batches"]] == [150, 150, 150, 50]
    assert [batch["flagged"] for batch in result["batches"]] == [batch.flagged for batch in monitor.batches]
    assert "Feed of model" in page.read_text()


def test_a_feed_of_arrays_goes_on(ebmood, feeds, tmp_path):
    state, growing = tmp_path / "feed.monitor", tmp_path / "feed.npy"
    words = ("monitor", feeds / "model", growing, *network(feeds), "--every", "40rows", "--json")
    x = np.load(feeds / "tuesday.npy")
    for rows in (60, 60, 280):
        np.save(growing, x[:rows])
        code, out, err = ebmood(*words, "--state", state)
        assert code == int(rows > 100), err
        assert json.loads(out)["rows"] == rows
    assert json.loads(ebmood(*words)[1])["alarm"] == json.loads(out)["alarm"]
    np.save(growing, x[1:])
    code, _, err = ebmood(*words, "--state", state)
    assert code == 2
    assert "its first inputs are not those that were watched before" in err


def test_a_feed_of_arrays_with_bad_rows_or_options_of_tables_is_refused(ebmood, feeds, tmp_path):
    bad = np.load(feeds / "tuesday.npy")
    bad[7, 0] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    model, net = ("monitor", feeds / "model"), network(feeds)
    for words, message in {
        (
            *model,
            tmp_path / "bad.npy",
            *net,
        ): "bad.npy: X[7]: the row holds NaN or infinity; correct it, or leave",
        (*model, tmp_path / "none.npz", *net): "none.npz: no such file or folder",
        (*model, feeds / "monday.npz"): "give --module helpers.classifier_outputs:SmallClassifier, with",
        (*model, feeds / "monday.npz", *net, "--time", "at"): "--time: for tables; leave them out",
        (*model, feeds / "monday.npz", *net, "--embed", "net.onnx"): "--embed",
        (*model, feeds / "monday.npz", *net, "--every", "1h"): "give a number of rows, such as 1000rows",
        (*model, feeds / "monday.npz", feeds / "monday.npz", *net): "is given twice",
    }.items():
        code, out, err = ebmood(*words, "--state", tmp_path / "state")
        assert (code, out) == (2, ""), (words, err)
        assert message in err, (words, err)
        assert err.count("\n") == 1
        assert not (tmp_path / "state").exists()


@pytest.mark.slow
def test_the_exported_graph_gives_logits_scores_and_p_values(ebmood, feeds, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    graph, rows = tmp_path / "watch.onnx", feeds / "tuesday.npy"
    code, _, err = ebmood("export", feeds / "model", graph, "--rows", rows, *network(feeds))
    assert code == 0, err
    assert re.search(r"watch.onnx: agrees with the detector on 64 of these rows \(scores to ", err)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    x = np.load(rows)[-9:]
    logits, scores, _ = session.run(None, {"x": x})
    np.testing.assert_allclose(logits, trained_classifier()(torch.from_numpy(x)), rtol=1e-4, atol=1e-5)
    detector = ClassifierDetector.load(feeds / "model", trained_classifier())
    np.testing.assert_allclose(scores, detector.score_samples(x), rtol=1e-3, atol=1e-4)


def test_an_export_that_cannot_be_made_is_one_line(ebmood, feeds, tables, model, tmp_path):
    graph, net = tmp_path / "watch.onnx", network(feeds)
    for words, message in {
        (feeds / "model", graph, *net): "FILE.npz or a folder of images",
        (feeds / "model", graph, "--rows", feeds / "monday.npz"): "give --module",
        (feeds / "model", graph, "--onnx", "net.onnx"): "an ONNX graph cannot be exported again",
        (model, graph, "--rows", tables / "in.csv"): "only a detector of a classifier needs rows",
        (model, graph, *net): "leave out --module",
    }.items():
        code, _, err = ebmood("export", *words)
        assert code == 2
        assert message in err, (words, err)
        assert err.count("\n") == 1
        assert not graph.exists()
