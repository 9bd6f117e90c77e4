import re

import pytest
from helpers.records import failed_record, made_record, seeds, with_pictures

from ebmood.core.errors import EbmoodError
from ebmood.results.markdown_report import write_report
from ebmood.results.tables.all_tables import all_tables
from ebmood.study.plan import Plan


@pytest.fixture(scope="module")
def study():
    records = [with_pictures(record, 1 / (1 + (record.gamma or 0))) for record in (
        *seeds(2, "ssm", 0.7),
        *seeds(2, "ssm", 0.8, gamma=0.01),
        *seeds(2, "ssm", 0.8, gamma=1.0),
        *seeds(2, "radial", 0.75),
    )]  # fmt: skip
    return [*records, failed_record("vera", 0, "loss is not finite\nTraceback"), made_record("iforest", 0)]


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    """The tables and the folder of one report."""
    folder = tmp_path_factory.mktemp("report") / "out"
    return write_report(study, folder, "A study"), folder


def test_all_links_lead_to_files(report):
    tables, folder = report
    page = (folder / "results.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 2 * len(tables)
    for link in links:
        assert (folder / link).stat().st_size > 0, link
    for table in tables:
        assert table.title in page
        suffixes = {path.suffix for path in (folder / "tables").glob(f"{table.name}.*")}
        assert suffixes >= {".md", ".csv", ".tex"}
    assert not list(folder.rglob("*.partial*"))


def test_the_report_opens_with_the_answers(report):
    page = (report[1] / "results.md").read_text()
    assert page.startswith("# A study\n\n10 cells (data set x recipe x seed): 9 done, 1 failed.")
    headings = re.findall("^## (.*)$", page, flags=re.MULTILINE)
    assert headings[:5] == [
        "Are energy-based models better than normalizing flows?",
        "Does supervision help?",
        "Scores on segment, seed by seed",
        "The paper's claims on segment (AUC-PR, ID positive)",
        "What was run",
    ]
    assert headings[-1] == "Figures"


def test_long_tables_are_folded(tmp_path):
    records = [r for gamma in range(1, 25) for r in seeds(1, "ssm", gamma=float(gamma))]
    write_report(records, tmp_path)
    page = (tmp_path / "results.md").read_text()
    assert '<details markdown="1">\n<summary>24 rows</summary>\n\n| data | method |' in page
    assert page.count("<details") == page.count("</details>")
    assert "<script" not in page


def test_failures_and_data_are_listed(report):
    page = (report[1] / "results.md").read_text()
    assert "| segment | `dddddddddddddddd` | 1584 | 198 | 198 | 194 | 0 | 0, 1 |" in page
    assert "- Failed, 1 x (VERA): loss is not finite\n" in page


def test_planned_cells_without_a_record_are_not_run(tmp_path):
    records = [made_record("ssm", 0), made_record("radial", 0)]
    names = [f"segment, {method}, seed {seed}" for method in ("ssm", "radial") for seed in range(3)]
    keys = [f"{method}-{seed}" for method in ("ssm", "radial") for seed in range(3)]
    plan = Plan(title="T", keys=tuple(keys), names=tuple(names), seeds={"segment": (0, 1, 2)})
    tables = write_report(records, tmp_path, "T", plan)
    page = (tmp_path / "results.md").read_text()
    assert "2 cells (data set x recipe x seed): 2 done, 0 failed, 4 not run." in page
    assert "- Not run, 4 x: segment, ssm (seeds 1, 2); segment, radial (seeds 1, 2).\n" in page
    assert all(row[-1] == "1 of 3 seeds" for row in tables[0].rows)
    assert all(row[-1] == "" for row in all_tables(records)[0].rows)


def test_a_report_without_records(tmp_path):
    write_report([], tmp_path)
    assert "No cells yet." in (tmp_path / "results.md").read_text()


def test_a_folder_that_cannot_be_created_is_named(study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EbmoodError, match="file"):
        write_report(study, tmp_path / "file")
