import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_wine
from torch import nn

from ebmood import EbmoodError, EnergyDetector, load

ROWS, CLASSES = load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def detector(quick) -> EnergyDetector:
    return EnergyDetector(energy=quick, random_state=0).fit(pd.DataFrame(ROWS).add_prefix("c"))


@pytest.fixture
def saved(detector, tmp_path) -> Path:
    detector.save(tmp_path / "model", notes={"one_hot": ["colour"], "filled": {"age": 3.5}})
    return tmp_path / "model"


def weights_of(folder: Path) -> Path:
    return next(folder.glob("score-*.safetensors"))


def rewrite(folder: Path, change) -> None:
    """What a hostile writer can do: any content, with digests that agree."""
    path = folder / "detector.json"
    document = json.loads(path.read_text())
    change(document)
    content = json.dumps(document["detector"], sort_keys=True, separators=(",", ":"))
    document["sha256"] = hashlib.sha256(content.encode()).hexdigest()
    path.write_text(json.dumps(document))


def replace_weights(folder: Path, content: bytes) -> None:
    weights_of(folder).unlink()
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"score-{digest}.safetensors").write_bytes(content)
    rewrite(folder, lambda document: document["detector"]["files"].update(score=digest))


def test_all_is_the_same_after_loading_to_the_bit(detector, saved):
    loaded = load(saved)
    rows = pd.DataFrame(np.concatenate([ROWS, ROWS * 3, ROWS * 1e290])).add_prefix("c")
    np.testing.assert_array_equal(loaded.score_samples(rows), detector.score_samples(rows))
    np.testing.assert_array_equal(loaded.p_values(rows), detector.p_values(rows))
    np.testing.assert_array_equal(
        loaded.feature_contributions(rows[:3]), detector.feature_contributions(rows[:3])
    )
    np.testing.assert_array_equal(loaded.calibration_scores_, detector.calibration_scores_)
    assert loaded.offset_ == detector.offset_
    assert loaded.probes_ == detector.probes_
    assert loaded.settings_ == detector.settings_
    assert loaded.seed_ == detector.seed_
    assert loaded.notes_ == {"one_hot": ["colour"], "filled": {"age": 3.5}}
    with pytest.raises(EbmoodError, match="another order"):
        loaded.predict(rows[rows.columns[::-1]])
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.score_samples(rows), detector.score_samples(rows))


def test_another_process_scores_the_same_to_the_bit(detector, saved, tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    code = (
        "import sys, warnings, numpy, torch, ebmood; torch.set_num_threads(1); warnings.simplefilter('ignore');"
        "numpy.save(sys.argv[3], ebmood.load(sys.argv[1]).score_samples(numpy.load(sys.argv[2])))"
    )
    arguments = [str(saved), str(tmp_path / "rows.npy"), str(tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    expected = detector.score_samples(pd.DataFrame(ROWS).add_prefix("c"))
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


def test_classes_are_kept(quick, tmp_path):
    names = np.array(["a", "b", "c"])[CLASSES]
    for number, y in enumerate((names, CLASSES, CLASSES == 1)):
        detector = EnergyDetector(energy=quick, random_state=0, supervised=True, calibration=50).fit(ROWS, y)
        detector.save(tmp_path / str(number))
        loaded = load(tmp_path / str(number))
        np.testing.assert_array_equal(loaded.classes_, detector.classes_)
        np.testing.assert_array_equal(loaded.class_p_values(ROWS), detector.class_p_values(ROWS))
        assert loaded.calibration == 50


def test_only_json_and_safetensors_are_written_and_the_record_says_all(detector, saved):
    assert sorted(path.suffix for path in saved.iterdir()) == [".json", ".safetensors"]
    record = json.loads((saved / "detector.json").read_text())["detector"]
    assert record["columns"]["names"] == [f"c{j}" for j in range(13)]
    assert record["calibration_scores"] == detector.calibration_scores_.tolist()
    assert record["files"]["score"] == hashlib.sha256(weights_of(saved).read_bytes()).hexdigest()
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert [probe["name"] for probe in record["probes"]] == ["uniform", "gaussian", "constant", "far"]


def test_saving_over_a_detector_replaces_it_and_leaves_other_files_alone(detector, saved, quick):
    (saved / "README").write_text("mine")
    other = EnergyDetector(energy=quick, random_state=9).fit(ROWS)
    other.save(saved)
    np.testing.assert_array_equal(load(saved).score_samples(ROWS), other.score_samples(ROWS))
    assert sorted(path.suffix for path in saved.iterdir()) == ["", ".json", ".safetensors"]
    assert (saved / "README").read_text() == "mine"


@pytest.mark.parametrize("step", range(8))
def test_a_crash_at_any_step_leaves_the_old_detector(step, detector, saved, quick):
    """The saving process kills itself before its step-th call to the disk."""
    other = EnergyDetector(energy=quick, random_state=9).fit(pd.DataFrame(ROWS).add_prefix("c"))
    with warnings.catch_warnings(action="ignore"):  # Python warns of fork in processes with threads
        child = os.fork()
    if child == 0:
        calls = 0

        def dying(function):
            def call(*arguments, **options):
                nonlocal calls
                if calls == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1
                return function(*arguments, **options)

            return call

        os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
        other.save(saved)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (step < 7), "the child died at each of the steps there are"
    rows = pd.DataFrame(ROWS).add_prefix("c")
    loaded = load(saved)
    if step < 5:  # two files are written, synced, put in place and tidied up after, the record last
        np.testing.assert_array_equal(loaded.score_samples(rows), detector.score_samples(rows))
    else:
        np.testing.assert_array_equal(loaded.score_samples(rows), other.score_samples(rows))


def test_killed_at_random_moments_there_is_always_a_whole_detector(detector, saved):
    rows = pd.DataFrame(ROWS).add_prefix("c")
    expected = detector.score_samples(rows)
    draw = np.random.default_rng(0)
    for _ in range(5):
        with warnings.catch_warnings(action="ignore"):
            child = os.fork()
        if child == 0:
            number = 0
            while True:
                number += 1
                detector.save(saved, notes={"number": number})
        time.sleep(draw.uniform(0.01, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        np.testing.assert_array_equal(load(saved).score_samples(rows), expected)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


BOMB = b'{"a":' * 100_000


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: flip(weights_of(m), -100), "changed or truncated"),
        (lambda m: weights_of(m).write_bytes(weights_of(m).read_bytes()[:-1]), "changed or truncated"),
        (lambda m: weights_of(m).unlink(), "missing.*incomplete"),
        (lambda m: (m / "detector.json").unlink(), "no detector.json"),
        (lambda m: shutil.rmtree(m), "no such folder"),
        (lambda m: flip(m / "detector.json", 400), "changed"),
        (
            lambda m: (m / "detector.json").write_bytes((m / "detector.json").read_bytes()[:300]),
            "changed or truncated",
        ),
        (lambda m: (m / "detector.json").write_bytes(b""), "changed or truncated"),
        (lambda m: (m / "detector.json").write_bytes(BOMB), "changed or truncated"),
        (lambda m: (m / "detector.json").write_bytes(pickle.dumps({"format": "ebmood-detector"})), "no JSON"),
        (lambda m: (m / "detector.json").write_bytes(b"[1]"), "not a detector of ebmood"),
        (
            lambda m: (m / "detector.json").write_bytes(b'{"format": "ebmood-detector", "version": 1}'),
            "changed",
        ),
        (lambda m: rewrite(m, lambda d: d.update(version=2)), "newer ebmood.*update"),
        (lambda m: rewrite(m, lambda d: d.update(version="1")), "no whole number"),
        (lambda m: rewrite(m, lambda d: d.update(format="other")), "not a detector"),
        (lambda m: rewrite(m, lambda d: d["detector"].update(surprise=1)), "surprise: Extra inputs"),
        (
            lambda m: rewrite(m, lambda d: d["detector"].update(files={"score": "../" * 21 + "x"})),
            "SHA-256 digests",
        ),
        (lambda m: rewrite(m, lambda d: d["detector"].update(files={"score": "0" * 64})), "missing"),
        (
            lambda m: rewrite(m, lambda d: d["detector"].update(features=10**6)),
            "do not fit|no model can be built",
        ),
        (
            lambda m: rewrite(m, lambda d: d["detector"].update(features=10**15)),
            "do not fit|no model can be built",
        ),
        (lambda m: rewrite(m, lambda d: d["detector"].update(features=12)), "do not fit"),
        (
            lambda m: rewrite(m, lambda d: d["detector"]["energy"].update(hidden=[10**9, 10**9])),
            "do not fit|no model",
        ),
        (lambda m: rewrite(m, lambda d: d["detector"].update(alpha=2)), "alpha"),
        (lambda m: rewrite(m, lambda d: d["detector"].update(calibration_scores=[2.0, 1.0])), "ascending"),
        (
            lambda m: rewrite(m, lambda d: d["detector"].update(calibration_scores=[float("nan")])),
            "finite|number|NaN",
        ),
        (lambda m: rewrite(m, lambda d: d["detector"].update(calibration_scores=[])), "calibration_scores"),
        (
            lambda m: rewrite(m, lambda d: d["detector"]["columns"].update(shape=[14])),
            "of the right shape|column names",
        ),
        (lambda m: rewrite(m, lambda d: d["detector"]["columns"].update(names=["a"])), "1 column names"),
        (lambda m: rewrite(m, lambda d: d["detector"].update(classes=["a"])), "must go together"),
        (lambda m: rewrite(m, lambda d: d["detector"].update(embedding="Net")), "files must name"),
        (lambda m: replace_weights(m, pickle.dumps([1, 2])), "not a safetensors file"),
        (lambda m: replace_weights(m, b"\xff" * 64), "not a safetensors file"),
        (lambda m: replace_weights(m, b""), "not a safetensors file"),
    ],
)
def test_a_spoilt_detector_is_refused_in_one_line_with_a_reason(spoil, message, saved):
    spoil(saved)
    with pytest.raises(EbmoodError, match=message) as caught:
        load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lowest", "ranges", "replacements", "witness"])
def test_weights_without_a_tensor_are_refused(name, saved):
    tensors = load_file(weights_of(saved))
    del tensors[name]
    save_file(tensors, saved / "spoilt")
    replace_weights(saved, (saved / "spoilt").read_bytes())
    with pytest.raises(EbmoodError, match=f"'{name}'"):
        load(saved)


def test_code_that_scores_otherwise_than_it_did_is_told(saved):
    tensors = load_file(weights_of(saved))
    tensors["witness"] += 0.1
    save_file(tensors, saved / "spoilt")
    replace_weights(saved, (saved / "spoilt").read_bytes())
    with pytest.raises(EbmoodError, match=r"score otherwise than when it was saved by ebmood .* torch"):
        load(saved)


def net(activation: nn.Module, width: int = 5) -> nn.Module:
    torch.manual_seed(0)
    linear = nn.Linear(13, width)
    nn.init.normal_(linear.weight, std=0.01)
    return nn.Sequential(linear, activation)


def test_an_embedding_comes_back_with_its_weights_alone(quick, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=quick, random_state=0, embed=net(nn.Tanh())).fit(ROWS)
    detector.save(tmp_path / "m")
    assert len(list((tmp_path / "m").glob("embed-*.safetensors"))) == 1
    blank = net(nn.Tanh())
    nn.init.zeros_(blank[0].weight)
    loaded = load(tmp_path / "m", embed=blank)
    np.testing.assert_array_equal(loaded.score_samples(ROWS * 2), detector.score_samples(ROWS * 2))
    assert not blank[0].weight.any(), "the module that was given is left as it was"
    for module, message in [
        (None, r"fitted with embed=Sequential\(...\).*give load\(folder, embed="),
        (net(nn.Tanh(), 6), "other weights"),
        (net(nn.Sigmoid()), "score otherwise"),
        (len, "give load"),
    ]:
        with pytest.raises(EbmoodError, match=message):
            load(tmp_path / "m", embed=module)


def test_an_embedding_that_is_not_needed_is_refused(saved):
    with pytest.raises(EbmoodError, match="fitted without one"):
        load(saved, embed=nn.Identity())


class SameName:
    hex = "0" * 16


def test_what_cannot_be_written_says_so_and_leaves_the_old_one(detector, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("ebmood.core.files.uuid4", SameName)
    (tmp_path / "file").write_text("")
    with pytest.raises(EbmoodError, match="is a file"):
        detector.save(tmp_path / "file")
    with pytest.raises(EbmoodError, match="cannot be written"):
        detector.save(tmp_path / "file" / "below")
    if os.path.exists("/dev/full"):
        before = (saved / "detector.json").read_bytes()
        full = saved / f".{weights_of(saved).stem}.{SameName.hex}.partial.safetensors"
        full.symlink_to("/dev/full")
        with pytest.raises(EbmoodError, match="No space left"):
            detector.save(saved)
        assert (saved / "detector.json").read_bytes() == before
        load(saved)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_weights_of_a_save_that_failed_do_not_stay(saved, quick, monkeypatch):
    monkeypatch.setattr("ebmood.core.files.uuid4", SameName)
    before = sorted(path.name for path in saved.iterdir())
    (saved / f".detector.{SameName.hex}.partial.json").symlink_to("/dev/full")
    with pytest.raises(EbmoodError, match="No space left"):
        EnergyDetector(energy=quick, random_state=9).fit(ROWS).save(saved)
    assert sorted(path.name for path in saved.iterdir()) == before
    load(saved)


@pytest.mark.parametrize("notes", [{"x": {1, 2}}, {"x": "\ud800"}, {1: 2}])
def test_notes_that_json_cannot_hold_are_refused_before_anything_is_written(notes, detector, saved):
    before = sorted((path.name, path.read_bytes()) for path in saved.iterdir())
    with pytest.raises(EbmoodError, match="cannot be") as caught:
        detector.save(saved, notes=notes)
    assert "\n" not in str(caught.value)
    assert sorted((path.name, path.read_bytes()) for path in saved.iterdir()) == before
