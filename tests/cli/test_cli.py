import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from ebmood.cli.show import panels, print_table
from ebmood.cli.watch import clock
from ebmood.results.table import Column, Table
from rich.console import Console
from typer.testing import CliRunner

from ebmood.cli import main
from ebmood.cli.app import app
from ebmood.study.records import read_records

TOY = "title: Toys at play\ndatasets: {kind: toy, shape: moons, rows: 120}\nseeds: 2\nrecipes:\n  - knn\n"


def shell(monkeypatch, capsys, *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["ebmood", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return left.value.code or 0, out, err


def test_help_is_light_and_teaches():
    code = """
import sys
from ebmood.cli import main
sys.argv = ["ebmood", {words}]
try:
    main()
finally:
    heavy = {{"torch", "matplotlib", "sklearn", "scipy", "pandas", "zuko", "lightning_fabric"}}
    print("HEAVY", heavy & set(sys.modules))
"""
    for words in ('"--help"', '"study", "--help"', '"tables", "--help"', '"--version"'):
        done = subprocess.run(
            [sys.executable, "-c", code.format(words=words)], capture_output=True, text=True
        )
        assert done.stdout.rstrip().endswith("HEAVY set()"), done
        if "help" in words:
            assert "ebmood study quick" in done.stdout or "ebmood tables ebmood-quick" in done.stdout


def test_list_names_every_preset():
    result = CliRunner().invoke(app, ["study", "--list"])
    assert result.exit_code == 0
    for name in ("quick", "segment", "sensorless", "gamma", "toys"):
        assert name in result.output
    folder = Path(result.output.splitlines()[-1].split("files in ")[1].split("; copy one")[0])
    assert (folder / "sensorless.yaml").is_file()


def test_a_study_without_a_name_is_a_usage_error():
    result = CliRunner().invoke(app, ["study"])
    assert result.exit_code == 2
    assert "--list" in result.output


def test_an_unknown_name_is_one_line_and_exit_code_2(monkeypatch, capsys):
    code, out, err = shell(monkeypatch, capsys, "study", "segmant")
    assert (code, out) == (2, "")
    assert err == "ebmood: error: segmant: neither a preset nor a file; did you mean 'segment'?\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_one_line_and_exit_code_2(monkeypatch, capsys):
    code, _, err = shell(monkeypatch, capsys, "study", "quick", "--device", "cuda")
    assert code == 2
    assert err.startswith("ebmood: error: device cuda: this machine has no CUDA device")


def test_tables_of_an_empty_folder_are_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path):
    code, _, err = shell(monkeypatch, capsys, "tables", tmp_path)
    assert code == 2
    assert err.startswith(f"ebmood: error: {tmp_path / 'records.jsonl'}: no records")
    assert err.count("\n") == 1


def test_a_study_ends_with_tables_and_files_and_tables_come_again_from_records(monkeypatch, capsys, tmp_path):
    (tmp_path / "play.yaml").write_text(TOY)
    out = tmp_path / "out"
    code, tables, lines = shell(monkeypatch, capsys, "study", tmp_path / "play.yaml", "-o", out, "-j", 1)
    assert code == 0
    assert "Toys at play: 2 cells; 1 at once" in lines
    assert "[2/2] moons, knn, seed 1" in lines
    assert "nearest neighbours" in tables
    assert "Toys at play" in (out / "results.md").read_text()
    (out / "results.md").unlink()
    code, again, _ = shell(monkeypatch, capsys, "tables", out)
    assert (code, again) == (0, tables)
    assert (out / "results.md").exists()


def test_one_seed_runs_alone_and_what_is_not_run_is_told(monkeypatch, capsys, tmp_path):
    (tmp_path / "play.yaml").write_text(TOY)
    words = ("study", tmp_path / "play.yaml", "-o", tmp_path / "out", "-j", 1)
    code, _, lines = shell(monkeypatch, capsys, *words, "--seed", 1)
    assert code == 0
    assert "[1/1] moons, knn, seed 1" in lines
    assert "1 of the study's 2 cells are not run yet" in lines
    assert "Not run, 1 x: moons, knn (seed 0)." in (tmp_path / "out" / "results.md").read_text()
    code, _, lines = shell(monkeypatch, capsys, *words, "--seed", 7)
    assert code == 2
    assert lines.endswith("ebmood: error: seed 7 is none of the study's, which are 0, 1; mend --seed\n")
    code, _, lines = shell(monkeypatch, capsys, *words)
    assert code == 0
    assert "2 cells, 1 of them there already" in lines
    assert "not run" not in lines


def test_a_constant_column_is_told_once(monkeypatch, capsys, tmp_path):
    rows = "".join(f"{i % 7},5.0,{'ok' if i % 5 else 'broken'}\n" for i in range(60))
    (tmp_path / "pumps.csv").write_text("a,b,state\n" + rows)
    (tmp_path / "s.yaml").write_text(
        "datasets: {kind: table, path: pumps.csv, label_column: state, hold_out: [broken]}\nseeds: 1\n"
        "recipes: [knn, iforest]\n"
    )
    code, _, lines = shell(monkeypatch, capsys, "study", tmp_path / "s.yaml", "-o", tmp_path / "out", "-j", 1)
    assert code == 0
    assert lines.count("column 'b' is constant (5)") == 1


# It can be made, but not fitted: there are more components than rows.
MANY = "  - {detector: sklearn.mixture.GaussianMixture, parameters: {n_components: 500}}\n"


def test_failed_cells_are_told_and_leave_exit_code_1(monkeypatch, capsys, tmp_path):
    (tmp_path / "play.yaml").write_text(TOY + MANY)
    code, tables, lines = shell(
        monkeypatch, capsys, "study", tmp_path / "play.yaml", "-o", tmp_path / "out", "-j", 1
    )
    assert code == 1
    assert "2 of 4 cells failed; --retry-failed" in lines
    assert "n_samples >= n_components" in lines
    assert "failed" in tables
    assert [record.status for record in read_records(tmp_path / "out" / "records.jsonl")].count("failed") == 2


def test_warnings_and_an_unwritable_folder_are_one_line_each(tmp_path):
    (tmp_path / "play.yaml").write_text(TOY + "  - {method: ssm, variant: paper}\n")
    (tmp_path / "file").write_text("in the way")
    process = ebmood("study", "play.yaml", "-o", "file/out", folder=tmp_path)
    first, second = process.communicate()[1].splitlines()
    assert first.startswith("ebmood: warning: ssm paper: ")
    assert second == (
        "ebmood: error: file/out: cannot be written (Not a directory); choose another folder with -o"
    )
    assert process.returncode == 2


def test_ctrl_c_keeps_records_ends_workers_and_says_how_to_go_on(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "from ebmood.models.knn import KNearestNeighbours\n"
        "class Slow(KNearestNeighbours):\n"
        "    def fit(self, x):\n"
        f"        Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "        time.sleep(120)\n"
    )
    (tmp_path / "play.yaml").write_text(TOY.replace("seeds: 2", "seeds: 1") + "  - {detector: slow.Slow}\n")
    process = ebmood("study", "play.yaml", "-j", "1", folder=tmp_path, process_group=0)
    try:
        _interrupt_and_look(process, tmp_path)
    finally:
        process.kill()
        process.communicate()


def _interrupt_and_look(process: subprocess.Popen, tmp_path: Path) -> None:
    end = time.monotonic() + 100
    told = tmp_path / "pid"
    while not (told.exists() and told.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    worker = int(told.read_text())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to every process of the group
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    *_, last = errors.splitlines()
    assert last == "stopped; the finished cells are kept in ebmood-play. To go on: ebmood study play.yaml"
    assert "Traceback" not in errors
    assert not Path(f"/proc/{worker}").exists()
    assert len(read_records(tmp_path / "ebmood-play" / "records.jsonl")) == 1


def ebmood(*words: str, folder: Path, **options) -> subprocess.Popen:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.Popen(
        [sys.executable, "-m", "ebmood.cli", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([source, str(folder)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


WIDE = Table(
    "t",
    "A title",
    (
        Column("who", "who"),
        Column("a", "a", "number"),
        Column("b", "b", "number"),
        Column("c", "c", "number"),
    ),
    (("x", 1.0, 2.0, "failed: no luck"), ("y", 4.0, 5.0, 6.0)),
    ("A note.",),
)


def test_a_wide_table_continues_below_with_its_first_columns():
    assert list(panels(WIDE, [3, 5, 5, 15], 100)) == [[0, 1, 2, 3]]
    assert list(panels(WIDE, [3, 5, 5, 15], 20)) == [[0, 1, 2], [0, 3]]
    assert list(panels(WIDE, [3, 5, 5, 15], 1)) == [[0, 1], [0, 2], [0, 3]]


def test_every_cell_of_a_table_is_printed_at_any_width():
    for width in (30, 60, 200):
        console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115  # as long as the console
        print_table(console, WIDE)
        text = console.export_text()
        console.file.close()
        for word in ("A title", "who", "1.000", "5.000", "failed: no luck", "A note."):
            assert word in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.31, "7.3 s"), (59.99, "1 min 00 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")]
)
def test_durations_as_people_say_them(seconds, text):
    assert clock(seconds) == text
