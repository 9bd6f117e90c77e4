import warnings

import numpy as np
import pytest
from helpers.quick_energy import QUICK

from ebmood.data import Toy
from ebmood.detector import EnergyDetector
from ebmood.recipes import METHODS
from ebmood.study.cell import Cell, run_cell
from ebmood.study.records import append_record


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A detector, a study, and tables of test rows."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    with warnings.catch_warnings(action="ignore"):
        import pandas as pd

        def rows(count, shift=0.0):
            return pd.DataFrame(rng.standard_normal((count, 2)) + shift, columns=["flow", "pressure"])

        EnergyDetector(energy=QUICK, random_state=0).fit(rows(100)).save(folder / "pumps")
    rows(40).to_csv(folder / "test.csv", index=False)
    rows(20, 9.0)[["pressure", "flow"]].to_csv(folder / "leaks.csv", index=False)
    rows(20, -9.0).to_parquet(folder / "cracks.parquet")
    record = run_cell(Cell(dataset=Toy(rows=120), recipe=METHODS["knn"]("corrected", None), seed=0))
    append_record(folder / "study" / "records.jsonl", record)
    return folder


@pytest.fixture
def report(ebmood, monkeypatch, folder):
    """Return a function that runs `ebmood report` in the folder."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        code, _, err = ebmood("report", *words)
        return code, err

    return run


def test_the_page_of_a_detector_with_test_rows(report, tmp_path):
    page = tmp_path / "page.html"
    code, err = report("pumps", "-o", page, "--in", "test.csv", "--out", "leaks.csv", "cracks.parquet")
    assert code == 0, err
    html = page.read_text(encoding="utf-8")
    assert "Detector pumps" in html
    assert "leaks: AUROC 1.000" in html
    assert "cracks: AUROC 1.000" in html
    assert "flow = " in html


def test_the_pages_of_a_detector_alone_and_of_a_study(report, tmp_path):
    for target, heading in (("pumps", "Training rows"), ("study", "What was run")):
        code, err = report(target, "-o", tmp_path / "page.html")
        assert code == 0, err
        assert heading in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaks.csv"], "neither a detector nor a study"),
        (["nowhere"], "neither a detector nor a study"),
        (["study", "--in", "test.csv"], "--in and --out apply only to detectors"),
        (["pumps", "-o", "study"], "is a folder; give a file"),
        (["pumps", "--in", "no.csv"], "no.csv"),
        (["pumps", "-o", "page.pdf"], "page.pdf: the page is HTML; call it page.html"),
    ],
)
def test_invalid_input_is_one_line_and_no_page(report, tmp_path, words, message):
    page = [] if "-o" in words else ["-o", tmp_path / "page.html"]
    code, err = report(*words, *page)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "page.html").exists()
