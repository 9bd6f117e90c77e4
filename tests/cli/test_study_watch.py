import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ebmood.cli.follow import follow
from rich.console import Console

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_lock
from ebmood.study.cell_paths import CellPaths
from ebmood.study.records import Record, append_record
from ebmood.study.runner import RECORDS, read_study, run_study
from ebmood.study.study_file import load_study


@pytest.fixture
def folder(tmp_path):
    """A study of two cells of which one is there, and the other is at work."""
    text = "title: T\ndatasets: {kind: toy, rows: 100}\nseeds: 1\nrecipes: [knn, iforest]\n"
    (tmp_path / "s.yaml").write_text(text)
    study = load_study(str(tmp_path / "s.yaml"))
    folder = tmp_path / "out"
    run_study(study, folder, open_executor=lambda: ThreadPoolExecutor(1))
    done, running = (folder / RECORDS).read_text().splitlines(keepends=True)
    (folder / RECORDS).write_text(done)
    files = CellPaths(folder, study.tasks[1].key)
    files.progress.parent.mkdir()
    files.progress.write_text(
        '{"step": 30, "steps": 60, "losses": {"energy/loss": -1.5}, "seconds": 9, "healed": 1}'
    )
    return folder, Record.model_validate_json(running)


@pytest.mark.parametrize("terminal", [False, True])
def test_it_shows_what_another_process_does_and_ends_with_it(folder, terminal):
    folder, record = folder
    console = Console(record=True, width=200, force_terminal=terminal, file=io.StringIO())
    record = record.updated(events=("loss is nan at step 7", "loss is inf at step 9"))
    with write_lock(folder):
        writer = threading.Timer(0.3, append_record, (folder / RECORDS, record))
        writer.start()
        assert follow(folder, console, every=0.05) == 0
        writer.join()
    said = console.export_text()
    assert "T: 2 cells, 1 of them there already" in said
    assert "iforest, seed 0" in said
    assert ("step 30/60" in said) == ("energy loss -1.5; healed 1 time " in said) == terminal
    assert "AUROC; healed 2 times\n" in said
    assert len(read_study(folder)[1]) == 2


def test_it_ends_with_a_study_that_was_stopped(folder):
    folder, _ = folder  # what one leaves that is killed: also how far its cell was
    console = Console(record=True, width=200, file=io.StringIO())
    assert follow(folder, console, every=0.05) == 1
    assert "no study runs in" in (said := console.export_text())
    assert "; 1 of 2 cells are not there." in said
    with write_lock(folder):  # asking for the lock has not taken it
        held = threading.Timer(0.5, lambda: None)
        console = Console(record=True, width=200, file=io.StringIO())
        watcher = threading.Thread(target=follow, args=(folder, console, 0.05), daemon=True)
        held.start(), watcher.start()
        held.join()
        assert watcher.is_alive()
    watcher.join(20)
    assert not watcher.is_alive()


def test_cells_that_were_left_out_are_not_waited_for(tmp_path):
    text = "title: T\ndatasets: {kind: toy, rows: 100}\nseeds: 2\nrecipes: [knn]\n"
    (tmp_path / "s.yaml").write_text(text)
    study, out = load_study(str(tmp_path / "s.yaml")), tmp_path / "out"
    run_study(study, out, seeds=[1], open_executor=lambda: ThreadPoolExecutor(1))
    console = Console(record=True, width=200, file=io.StringIO())
    assert follow(out, console, every=0.05) == 0
    assert "T: 1 cells, 1 of them there already" in console.export_text()


def test_a_folder_without_a_study_is_told(tmp_path):
    with pytest.raises(EbmoodError, match="no study to watch"):
        follow(tmp_path)
