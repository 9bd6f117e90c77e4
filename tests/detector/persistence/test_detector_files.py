import hashlib
import json
import os
import pickle
import shutil
import signal
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.saved_model import ROWS, TABLE, replace_weights, rewrite, weights_of

from ebmood import EbmoodError, EnergyDetector, load
from ebmood.detector.energy.score_model import SPEEDS, EnergySettings
from ebmood.detector.persistence.detector_files import DETECTOR


def test_only_json_and_safetensors_are_written(wine_detector, saved):
    assert sorted(path.suffix for path in saved.iterdir()) == [".json", ".safetensors"]
    content = json.loads((saved / "detector.json").read_text())["detector"]
    assert content["columns"]["names"] == [f"c{j}" for j in range(13)]
    assert content["calibration_scores"] == wine_detector.calibration_scores_.tolist()
    assert content["files"]["score"] == hashlib.sha256(weights_of(saved).read_bytes()).hexdigest()
    assert content["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert {probe["name"] for probe in content["probes"]} >= {"uniform", "gaussian", "constant", "far"}


def test_saving_replaces_a_detector_and_keeps_other_files(saved, quick):
    (saved / "README").write_text("mine")
    other = EnergyDetector(energy=quick, random_state=9).fit(ROWS)
    other.save(saved)
    np.testing.assert_array_equal(load(saved).score_samples(ROWS), other.score_samples(ROWS))
    assert sorted(path.suffix for path in saved.iterdir()) == ["", ".json", ".safetensors"]
    assert (saved / "README").read_text() == "mine"


def test_a_folder_to_which_two_threads_save_can_always_be_loaded(tmp_path, quick):
    detectors = [EnergyDetector(energy=quick, alpha=0.1, random_state=seed).fit(ROWS) for seed in (1, 2)]
    scores = [detector.score_samples(ROWS[:3]).tolist() for detector in detectors]
    detectors[0].save(tmp_path)
    with ThreadPoolExecutor() as pool:
        saves = [pool.submit(lambda d=d: [d.save(tmp_path) for _ in range(15)]) for d in detectors]
        while not all(save.done() for save in saves):
            assert load(tmp_path).score_samples(ROWS[:3]).tolist() in scores
        assert [save.exception() for save in saves] == [None, None]
    assert load(tmp_path).score_samples(ROWS[:3]).tolist() in scores


def test_the_format_before_embedders_is_read(saved, wine_detector):
    def to_version_3(document):
        document["version"] = 3
        del document["detector"]["embedder"]

    rewrite(saved, to_version_3)
    np.testing.assert_array_equal(load(saved).score_samples(TABLE), wine_detector.score_samples(TABLE))


def test_the_format_before_further_neighbours_is_read(saved, wine_detector):
    def to_version_4(document):
        document["version"] = 4
        del document["detector"]["energy"]["further_neighbours"]

    rewrite(saved, to_version_4)
    np.testing.assert_array_equal(load(saved).score_samples(TABLE), wine_detector.score_samples(TABLE))


def test_the_format_before_clusters_is_read(saved, wine_detector):
    def to_version_5(document):
        document["version"] = 5
        del document["detector"]["energy"]["clusters"]
        del document["detector"]["layout"]["clusters"]

    rewrite(saved, to_version_5)
    np.testing.assert_array_equal(load(saved).score_samples(TABLE), wine_detector.score_samples(TABLE))


def test_the_format_before_residuals_is_read(tmp_path):
    detector = EnergyDetector(energy=EnergySettings(residuals=None), random_state=0).fit(TABLE)
    detector.save(tmp_path / "model")

    def to_version_6(document):
        document["version"] = 6
        del document["detector"]["energy"]["residuals"]
        del document["detector"]["layout"]["residuals"]

    rewrite(tmp_path / "model", to_version_6)
    older = load(tmp_path / "model")
    np.testing.assert_array_equal(older.score_samples(TABLE), detector.score_samples(TABLE))
    assert older.model_.residuals is None


@pytest.mark.parametrize("parameters", [{}, {"memory": "prototypes"}])
def test_a_detector_with_clusters_keeps_its_scores(tmp_path, parameters):
    energy = SPEEDS["fast"].updated(clusters=30)
    detector = EnergyDetector(energy=energy, random_state=0, **parameters).fit(TABLE)
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").score_samples(TABLE), detector.score_samples(TABLE)
    )


def test_a_detector_with_further_neighbours_keeps_its_scores(tmp_path, quick):
    detector = EnergyDetector(energy=quick, contamination=0.1, random_state=0).fit(TABLE)
    assert detector.settings_.further_neighbours
    detector.save(tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").score_samples(TABLE), detector.score_samples(TABLE)
    )


def fork() -> int:
    with warnings.catch_warnings(action="ignore"):  # Python warns of forks in processes with threads
        return os.fork()


@pytest.mark.parametrize("step", range(8))
def test_a_crash_at_any_step_leaves_a_complete_detector(step, wine_detector, saved, quick):
    """The saving process kills itself before call number `step` to the file system."""
    other = EnergyDetector(energy=quick, random_state=9).fit(TABLE)
    child = fork()
    if child == 0:
        calls = 0

        def killing(function):
            def call(*arguments, **options):
                nonlocal calls
                if calls == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1
                return function(*arguments, **options)

            return call

        os.replace, os.fsync, os.unlink = killing(os.replace), killing(os.fsync), killing(os.unlink)
        other.save(saved)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (step < 7), "there are seven calls"
    # Two files are written, synchronized, renamed and cleaned up; the JSON is the second one.
    expected = wine_detector if step < 5 else other
    np.testing.assert_array_equal(load(saved).score_samples(TABLE), expected.score_samples(TABLE))


def test_a_process_killed_at_random_times_leaves_a_complete_detector(wine_detector, saved):
    expected = wine_detector.score_samples(TABLE)
    rng = np.random.default_rng(0)
    for _ in range(5):
        child = fork()
        if child == 0:
            number = 0
            while True:
                number += 1
                wine_detector.save(saved, notes={"number": number})
        time.sleep(rng.uniform(0.01, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        np.testing.assert_array_equal(load(saved).score_samples(TABLE), expected)


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def truncate(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def write_json(content: bytes):
    return lambda folder: (folder / "detector.json").write_bytes(content)


def change_json(change):
    """Change the document; all digests agree."""
    return lambda folder: rewrite(folder, change)


def change_detector(**values):
    """Change keys of the detector in the document; all digests agree."""
    return change_json(lambda document: document["detector"].update(values))


def change_layout(**values):
    """Change keys of the layout in the document; all digests agree."""
    return change_json(lambda document: document["detector"]["layout"].update(values))


DEEPLY_NESTED = b'{"a":' * 100_000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: flip_bit(weights_of(folder), -100), "changed or truncated"),
        (lambda folder: truncate(weights_of(folder), -1), "changed or truncated"),
        (lambda folder: weights_of(folder).unlink(), "missing.*incomplete"),
        (lambda folder: (folder / "detector.json").unlink(), "no detector.json"),
        (shutil.rmtree, "no such folder"),
        (lambda folder: flip_bit(folder / "detector.json", 400), "changed"),
        (lambda folder: truncate(folder / "detector.json", 300), "changed or truncated"),
        (write_json(b""), "changed or truncated"),
        (write_json(DEEPLY_NESTED), "changed or truncated"),
        (write_json(pickle.dumps({"format": "ebmood-detector"})), "not valid JSON"),
        (write_json(b"[1]"), "not a detector of ebmood"),
        (write_json(b'{"format": "ebmood-detector", "version": 4}'), "changed"),
        (change_json(lambda d: d.update(version=DETECTOR.version + 1)), "newer ebmood.*update"),
        (change_json(lambda d: d.update(version=2)), "ebmood 0.3,.*fit the detector again.*ebmood<0.4"),
        (change_json(lambda d: d.update(version=1)), "ebmood 0.2 or earlier.*fit the detector again"),
        (change_json(lambda d: d.update(version="1")), "not a whole number"),
        (change_json(lambda d: d.update(format="other")), "not a detector"),
        (change_detector(surprise=1), "surprise: Extra inputs"),
        (change_detector(files={"score": "../" * 21 + "x"}), "SHA-256 digests"),
        (change_detector(files={"score": "0" * 64}), "missing"),
        (change_layout(rows=[10**15]), "do not fit"),
        (change_layout(clusters=[10**15]), "do not fit"),
        (change_layout(clusters=[1, 1]), "do not fit"),
        (change_layout(clusters=[]), "at least 1"),
        (change_layout(rows=[1, 1]), "a memory for every class"),
        (change_layout(table={"columns": 10**15}), "do not fit"),
        (change_layout(table={"columns": 13, "categories": {"1": [0, 1]}}), "names of levels"),
        (change_layout(views=["normal-scores"]), "do not fit"),
        (change_layout(views=["upside-down"]), "views"),
        (change_detector(levels={"1": ["a"]}), "names of levels"),
        (change_detector(alpha=2), "alpha"),
        (change_detector(calibration_scores=[2.0, 1.0]), "ascending"),
        (change_detector(calibration_scores=[float("nan")]), "finite|number|NaN"),
        (change_detector(calibration_scores=[]), "calibration_scores"),
        (change_detector(calibration_weights=[1.0]), "every calibration score needs"),
        (change_detector(segment="c1"), "must have segments"),
        (change_detector(history=[]), "history"),
        (change_detector(calibration_rows_seen=10**15), "right shape"),
        (change_json(lambda d: d["detector"]["columns"].update(shape=[14])), "right shape|column names"),
        (change_json(lambda d: d["detector"]["columns"].update(names=["a"])), "1 column names"),
        (change_detector(classes=["a"]), "calibration scores for every class"),
        (change_detector(embedding="Net"), "files must name"),
        (lambda folder: replace_weights(folder, pickle.dumps([1, 2])), "not a safetensors file"),
        (lambda folder: replace_weights(folder, b"\xff" * 64), "not a safetensors file"),
        (lambda folder: replace_weights(folder, b""), "not a safetensors file"),
    ],
)
def test_a_damaged_detector_is_refused_in_one_line_with_a_reason(damage, message, saved):
    damage(saved)
    with pytest.raises(EbmoodError, match=message) as error:
        load(saved)
    assert "\n" not in str(error.value)


class FixedUUID:
    hex = "0" * 16


needs_full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def test_a_folder_that_cannot_be_written_is_an_error(wine_detector, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EbmoodError, match="is a file"):
        wine_detector.save(tmp_path / "file")
    with pytest.raises(EbmoodError, match="cannot be written"):
        wine_detector.save(tmp_path / "file" / "below")


@needs_full_disk
def test_a_full_disk_is_an_error_and_the_old_detector_is_kept(wine_detector, saved, monkeypatch):
    monkeypatch.setattr("ebmood.core.files.uuid4", FixedUUID)
    before = (saved / "detector.json").read_bytes()
    full = saved / f".{weights_of(saved).stem}.{FixedUUID.hex}.partial.safetensors"
    full.symlink_to("/dev/full")
    with pytest.raises(EbmoodError, match="No space left"):
        wine_detector.save(saved)
    assert (saved / "detector.json").read_bytes() == before
    load(saved)


@needs_full_disk
def test_weights_of_a_failed_save_are_deleted(saved, quick, monkeypatch):
    monkeypatch.setattr("ebmood.core.files.uuid4", FixedUUID)
    before = sorted(path.name for path in saved.iterdir())
    (saved / f".detector.{FixedUUID.hex}.partial.json").symlink_to("/dev/full")
    with pytest.raises(EbmoodError, match="No space left"):
        EnergyDetector(energy=quick, random_state=9).fit(ROWS).save(saved)
    assert sorted(path.name for path in saved.iterdir()) == before
    load(saved)


@pytest.mark.parametrize("notes", [{"x": {1, 2}}, {"x": "\ud800"}, {1: 2}])
def test_notes_that_are_not_json_are_refused_before_anything_is_written(notes, wine_detector, saved):
    before = sorted((path.name, path.read_bytes()) for path in saved.iterdir())
    with pytest.raises(EbmoodError, match="cannot be") as error:
        wine_detector.save(saved, notes=notes)
    assert "\n" not in str(error.value)
    assert sorted((path.name, path.read_bytes()) for path in saved.iterdir()) == before
