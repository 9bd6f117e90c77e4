import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ebmood.study.records import read_records

TOY = "title: Two moons\ndatasets: {kind: toy, shape: moons, rows: 120}\nseeds: 2\nrecipes:\n  - knn\n"

# A detector that can be made but not fitted: it has more components than rows.
FAILING = "  - {detector: sklearn.mixture.GaussianMixture, parameters: {n_components: 500}}\n"


def write_study(folder: Path, text: str = TOY) -> Path:
    (folder / "moons.yaml").write_text(text)
    return folder / "moons.yaml"


def test_the_list_names_every_preset_and_their_folder(ebmood):
    code, out, _ = ebmood("study", "--list")
    assert code == 0
    for name in ("quick", "segment", "sensorless", "gamma", "toys"):
        assert name in out
    folder = Path(out.splitlines()[-1].split("files in ")[1].split("; copy one")[0])
    assert (folder / "sensorless.yaml").is_file()


def test_a_study_without_a_name_is_a_usage_error(ebmood):
    code, _, err = ebmood("study")
    assert code == 2
    assert "--list" in err


def test_an_unknown_name_is_an_error_in_one_line(ebmood):
    code, out, err = ebmood("study", "segmant")
    assert (code, out) == (2, "")
    assert err == "ebmood: error: segmant: neither a preset nor a file; did you mean 'segment'?\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_device_is_an_error_in_one_line(ebmood):
    code, _, err = ebmood("study", "quick", "--device", "cuda")
    assert code == 2
    assert err.startswith("ebmood: error: device cuda: torch finds no CUDA device")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_study_ends_with_its_answer_and_tables_prints_it_again(ebmood, tmp_path):
    out = tmp_path / "out"
    code, answer, messages = ebmood("study", write_study(tmp_path), "-o", out, "-j", 1)
    assert code == 0
    assert f"Two moons: 2 cells; 1 in parallel; in {out}" in messages
    assert "[2/2] moons, knn, seed 1" in messages
    assert messages.splitlines()[-1] == f"report: {out / 'results.md'} (as HTML: ebmood report {out})"
    assert answer.startswith("Scores of the methods\n")
    assert "kNN" in answer
    (out / "results.md").unlink()
    code, again, _ = ebmood("tables", out)
    assert (code, again) == (0, answer)
    assert "# Two moons" in (out / "results.md").read_text()


@pytest.mark.slow
def test_full_prints_all_tables_before_the_answer(ebmood, tmp_path):
    ebmood("study", write_study(tmp_path), "-o", tmp_path / "out", "-j", 1)
    _, answer, _ = ebmood("tables", tmp_path / "out")
    _, full, _ = ebmood("tables", tmp_path / "out", "--full")
    assert full.endswith(answer)
    assert "Scores on moons: mean ± standard deviation over seeds" in full


def test_tables_of_an_empty_folder_are_an_error_in_one_line(ebmood, tmp_path):
    code, _, err = ebmood("tables", tmp_path)
    assert code == 2
    assert err.startswith(f"ebmood: error: {tmp_path / 'records.jsonl'}: no records")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_seeds_can_run_one_by_one(ebmood, tmp_path):
    words = ("study", write_study(tmp_path), "-o", tmp_path / "out", "-j", 1)
    code, _, messages = ebmood(*words, "--seed", 1)
    assert code == 0
    assert "[1/1] moons, knn, seed 1" in messages
    assert "1 of 2 cells are not run yet" in messages
    assert "Not run, 1 x: moons, knn (seed 0)." in (tmp_path / "out" / "results.md").read_text()
    code, _, messages = ebmood(*words, "--seed", 7)
    assert code == 2
    assert messages.endswith("ebmood: error: --seed 7: the study has no such seed; its seeds are 0, 1\n")
    code, _, messages = ebmood(*words)
    assert code == 0
    assert "2 cells, 1 already finished" in messages
    assert "not run" not in messages


@pytest.mark.slow
def test_a_note_is_printed_once(ebmood, tmp_path):
    rows = "".join(f"{i % 7},5.0,{'ok' if i % 5 else 'broken'}\n" for i in range(60))
    (tmp_path / "pumps.csv").write_text("a,b,state\n" + rows)
    text = (
        "datasets: {kind: table, path: pumps.csv, label_column: state, hold_out: [broken]}\nseeds: 1\n"
        "recipes: [knn, iforest]\n"
    )
    code, _, messages = ebmood("study", write_study(tmp_path, text), "-o", tmp_path / "out", "-j", 1)
    assert code == 0
    assert messages.count("column 'b' is constant (5)") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "score", "expected"),
    [
        ("ssm", "waic", "score 'waic' needs a normalised log-density in nats"),
        (
            "spline",
            "{kind: likelihood-ratio, background: {method: spline, datasets: rings}}",
            "the background model is trained on other data, not on 'moons'",
        ),
    ],
)
def test_a_score_that_a_model_does_not_have_is_an_error_in_one_line(
    ebmood, tmp_path, method, score, expected
):
    toys = "[{kind: toy, shape: moons, rows: 120}, {kind: toy, shape: rings, rows: 120}]"
    recipe = f"{{method: {method}, score: {score}}}"
    file = write_study(tmp_path, f"datasets: {toys}\nseeds: 1\nrecipes: [{recipe}]\n")
    code, _, err = ebmood("study", str(file), "-o", str(tmp_path / "out"))
    assert code == 2
    (line,) = err.strip().splitlines()
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_failed_cells_are_printed_and_the_exit_code_is_1(ebmood, tmp_path):
    words = ("study", write_study(tmp_path, TOY + FAILING), "-o", tmp_path / "out", "-j", 1)
    code, answer, messages = ebmood(*words)
    assert code == 1
    end = messages.splitlines()[-3:]
    assert end[0].startswith("failed: moons, gaussianmixture both, seed 0 and 1 more: ")
    assert "n_samples >= n_components" in end[0]
    assert end[1] == "2 of 4 cells failed; --retry-failed runs them again"
    assert "failed" in answer
    assert [record.status for record in read_records(tmp_path / "out" / "records.jsonl")].count("failed") == 2


@pytest.mark.slow
def test_the_variant_sound_of_version_0_1_is_one_line_of_warning(tmp_path):
    text = TOY.replace("knn", "{method: cd, variant: sound, training: {steps: 1, warmup: 0}}")
    write_study(tmp_path, text + "  - {method: ssm, variant: sound, training: {steps: 1, warmup: 0}}\n")
    process = start("study", "moons.yaml", "-o", "file/out", folder=tmp_path)
    (tmp_path / "file").write_text("not a folder")
    lines = process.communicate()[1].splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "ebmood: warning: variant 'sound' is called 'corrected' since version 0.2; write 'corrected'"
    )


@pytest.mark.slow
def test_warnings_and_a_folder_that_cannot_be_written_are_one_line_each(tmp_path):
    write_study(tmp_path, TOY + "  - {method: ssm, variant: paper}\n")
    (tmp_path / "file").write_text("not a folder")
    process = start("study", "moons.yaml", "-o", "file/out", folder=tmp_path)
    first, second = process.communicate()[1].splitlines()
    assert first.startswith("ebmood: warning: ssm paper: ")
    assert second == (
        "ebmood: error: file/out: cannot be written (Not a directory); choose another folder with -o"
    )
    assert process.returncode == 2


@pytest.mark.slow
def test_ctrl_c_ends_workers_and_prints_how_to_resume(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "from ebmood.models.knn import KNearestNeighbours\n"
        "class Slow(KNearestNeighbours):\n"
        "    def fit(self, x):\n"
        f"        Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "        time.sleep(120)\n"
    )
    write_study(tmp_path, TOY.replace("seeds: 2", "seeds: 1") + "  - {detector: slow.Slow}\n")
    process = start("study", "moons.yaml", "-j", "1", folder=tmp_path, process_group=0)
    try:
        worker = _worker_id(tmp_path / "pid")
        os.killpg(process.pid, signal.SIGINT)  # a terminal also signals every process of the group
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "interrupted; finished cells are saved in ebmood-moons. Resume: ebmood study moons.yaml"
    )
    assert "Traceback" not in errors
    assert not Path(f"/proc/{worker}").exists()
    assert len(read_records(tmp_path / "ebmood-moons" / "records.jsonl")) == 1


def _worker_id(file: Path) -> int:
    end = time.monotonic() + 100
    while not (file.exists() and file.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    return int(file.read_text())


def start(*words: str, folder: Path, **options) -> subprocess.Popen:
    """Start `ebmood WORDS` in a folder, in its own process."""
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.Popen(
        [sys.executable, "-m", "ebmood", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([source, str(folder)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_stop_after_leaves_with_a_line_on_what_is_left_and_the_next_call_finishes(ebmood, tmp_path):
    long = write_study(tmp_path, TOY + "  - {method: ssm, gamma: 1, training: {steps: 100000}}\n")
    code, answer, messages = ebmood("study", long, "-o", tmp_path / "out", "-j", 1, "--stop-after", "8s")
    assert (code, answer) == (0, "")
    left = len([line for line in messages.splitlines() if line.startswith("[")])
    command = f"ebmood study {long} -o {tmp_path / 'out'} --stop-after 8s"
    assert (
        messages.splitlines()[-1] == f"stopped after 8s: {4 - left} of 4 cells are left. Continue: {command}"
    )
    knn = write_study(tmp_path)
    code, answer, _ = ebmood("study", knn, "-o", tmp_path / "out", "-j", 1, "--stop-after", "1h")
    assert code == 0
    assert answer.startswith("Scores of the methods\n")


@pytest.mark.slow
def test_cells_that_are_left_are_counted_among_the_chosen_seeds(ebmood, tmp_path):
    long = write_study(tmp_path, TOY + "  - {method: ssm, training: {steps: 100000}}\n")
    options = ("--seed", 0, "--stop-after", "2s")
    code, _, messages = ebmood("study", long, "-o", tmp_path / "out", "-j", 1, *options)
    assert code == 0
    assert re.search(r"stopped after 2s: [12] of 2 cells are left", messages)


def test_an_invalid_time_is_an_error_in_one_line(ebmood, tmp_path):
    code, out, err = ebmood("study", write_study(tmp_path), "-o", tmp_path / "out", "--stop-after", "soon")
    assert (code, out) == (2, "")
    assert err == "ebmood: error: --stop-after 'soon': not a duration; give for example 90s, 9m or 1h30m\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_nudge_trains_each_network_again_and_compares_the_scores(ebmood, tmp_path):
    text = TOY.replace("seeds: 2", "seeds: 1") + "  - {method: ssm, training: {steps: 5}}\n"
    words = ("study", write_study(tmp_path, text), "-o", tmp_path / "out", "-j", 1)
    code, _, messages = ebmood(*words)
    assert code == 0
    code, answer, messages = ebmood(*words, "--nudge")
    assert code == 0
    assert "not nudged: knn (trains no network by gradients)\n" in messages
    assert "Two moons: 3 cells, 2 already finished" in messages
    assert "[3/3] moons, ssm corrected nudged, seed 0" in messages
    assert "epeatable, 1 of 1 nudged recipes" in messages
    assert "SSM" in (tmp_path / "out" / "tables" / "nudge.csv").read_text()
    code, again, _ = ebmood("tables", tmp_path / "out")
    assert (code, again) == (0, answer)


def test_nudge_without_a_trained_network_is_an_error_in_one_line(ebmood, tmp_path):
    code, out, err = ebmood("study", write_study(tmp_path), "-o", tmp_path / "out", "--nudge")
    assert (code, out) == (2, "")
    assert err == (
        "ebmood: error: --nudge: no cell of moons trains a network that can be nudged (knn: trains no network by "
        "gradients); add a trained method, or leave out --nudge\n"
    )
    assert not (tmp_path / "out").exists()
