import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from ebmood.cli.study_watch import watch
from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_lock
from ebmood.study.cell_paths import CellPaths
from ebmood.study.records import Record, append_record
from ebmood.study.runner import RECORDS, read_study, run_study
from ebmood.study.snapshots import Snapshot
from ebmood.study.study_file import load_study


def run(tmp_path, text, **options):
    (tmp_path / "s.yaml").write_text(f"title: T\ndatasets: {{kind: toy, rows: 100}}\n{text}\n")
    study = load_study(str(tmp_path / "s.yaml"))
    run_study(study, tmp_path / "out", open_executor=lambda: ThreadPoolExecutor(1), **options)
    return study, tmp_path / "out"


def new_console(terminal=False):
    return Console(record=True, width=200, force_terminal=terminal, file=io.StringIO())


@pytest.fixture
def running(tmp_path):
    """The folder of a study with a finished and a running cell, and the record of the running cell."""
    study, folder = run(tmp_path, "seeds: 1\nrecipes: [knn, iforest]")
    finished, unfinished = (folder / RECORDS).read_text().splitlines(keepends=True)
    (folder / RECORDS).write_text(finished)
    paths = CellPaths(folder, study.tasks[1].key)
    paths.snapshot.parent.mkdir()
    snapshot = Snapshot(step=30, steps=60, losses={"energy/loss": -1.5}, seconds=9, rollbacks=1)
    paths.snapshot.write_text(snapshot.model_dump_json())
    return folder, Record.model_validate_json(unfinished)


@pytest.mark.parametrize("terminal", [False, True])
def test_watching_ends_when_all_cells_are_finished(running, terminal):
    folder, record = running
    console = new_console(terminal)
    record = record.updated(events=("loss is nan at step 7", "loss is inf at step 9"))
    with write_lock(folder):
        writer = threading.Timer(0.3, append_record, (folder / RECORDS, record))
        writer.start()
        assert watch(folder, console, interval=0.05) == 0
        writer.join()
    text = console.export_text()
    assert "T: 2 cells, 1 already finished" in text
    assert "iforest, seed 0" in text
    assert ("step 30/60" in text) == ("energy loss -1.5; 1 rollback " in text) == terminal
    assert "AUROC; 2 rollbacks\n" in text
    assert len(read_study(folder)[1]) == 2


def test_watching_ends_when_no_process_runs_the_study(running):
    folder, _ = running
    console = new_console()
    assert watch(folder, console, interval=0.05) == 1
    text = console.export_text()
    assert f"no process runs the study in {folder}; 1 of 2 cells have no record." in text


def test_watching_continues_while_a_process_holds_the_lock(running):
    folder, _ = running
    arguments = (folder, new_console(), 0.05)
    with write_lock(folder):
        thread = threading.Thread(target=watch, args=arguments, daemon=True)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(20)
    assert not thread.is_alive()


def test_cells_of_other_seeds_are_not_expected(tmp_path):
    _, folder = run(tmp_path, "seeds: 2\nrecipes: [knn]", seeds=[1])
    console = new_console()
    assert watch(folder, console, interval=0.05) == 0
    assert "T: 1 cells, 1 already finished" in console.export_text()


def test_a_folder_without_a_study_raises(tmp_path):
    with pytest.raises(EbmoodError, match="no study to watch"):
        watch(tmp_path)
