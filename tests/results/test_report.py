"""The page, its files and its figures."""

import re

import numpy as np
import pytest
from made_records import failed_record, made_record, seeds, with_pictures

from ebmood.core.errors import EbmoodError
from ebmood.results.arms import gather
from ebmood.results.rays import _few_ticks
from ebmood.results.report import write_report
from ebmood.results.tables import all_tables
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
def written(study, tmp_path_factory):
    """The tables and the folder of one report, drawn once for all tests that only look."""
    folder = tmp_path_factory.mktemp("report") / "out"
    return write_report(study, folder, "A study"), folder


def test_report_links_to_files_that_are_there(written):
    tables, folder = written
    page = (folder / "results.md").read_text()
    assert page.startswith("# A study\n")
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 2 * len(tables)
    for link in links:
        assert (folder / link).stat().st_size > 0, link
    for table in tables:
        assert table.title in page
        assert {path.suffix for path in (folder / "tables").glob(f"{table.name}.*")} >= {
            ".md",
            ".csv",
            ".tex",
        }
    assert not list(folder.rglob("*.partial*"))
    names = {path.name for path in (folder / "figures").iterdir()}
    stems = ("histograms-segment-ssm", "histograms-segment-flow", "rays-segment", "landscapes-segment")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}


def test_page_says_what_was_run_and_what_failed(written):
    page = (written[1] / "results.md").read_text()
    assert "10 cells (data set x recipe x seed): 9 done, 1 failed." in page
    assert "| segment | `dddddddddddddddd` | 1584 | 198 | 198 | 194 | 0 | 0, 1 |" in page
    assert "Failed, 1 x (VERA): loss is not finite\n" in page
    assert "ebmood 0.1.0, torch 2.4.0" in page


def test_what_was_healed_is_said_once_with_who_it_was(tmp_path):
    events = ("loss is nan at step 7; back to step 0", "loss is inf at step 9; back to step 0")
    records = [made_record("cd", 0, events=events), made_record("cd", 1, events=events[:1])]
    write_report(records, tmp_path)
    lines = (tmp_path / "results.md").read_text().splitlines()
    healed = [line for line in lines if line.startswith("- Healed")]
    assert healed == [f"- Healed, 2 x (CD): {events[0]}", f"- Healed, 1 x (CD): {events[1]}"]


def test_figures_of_equal_records_are_equal_files_and_leave_global_settings_alone(study, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    few = [record.updated(landscape=None) for record in study if record.method == "radial"]
    write_report(few, tmp_path / "a")
    write_report(few, tmp_path / "b")
    assert dict(matplotlib.rcParams) == before
    first = sorted((tmp_path / "a" / "figures").iterdir())
    assert first
    for path in first:
        assert path.read_bytes() == (tmp_path / "b" / "figures" / path.name).read_bytes(), path.name


def test_a_figure_is_not_blank(written):
    from matplotlib.image import imread

    pixels = imread(written[1] / "figures" / "rays-segment.png")[..., :3]
    assert pixels.shape[1] > 600
    assert len(np.unique((pixels * 255).astype(int) @ [65536, 256, 1])) > 20


def test_a_constant_score_can_be_drawn(tmp_path):
    record = with_pictures(made_record("ssm", 0, degenerate="a constant minimises it"))
    flat = record.landscape.updated(value=np.zeros((40, 40)).tolist())
    still = record.rays.updated(median=[0.0] * 30, low=[0.0] * 30, high=[0.0] * 30)
    write_report(
        [record.updated(landscape=flat, rays=still, scores={"id": (1.0,) * 9, "sky": (1.0,) * 9})], tmp_path
    )
    assert "Degenerate: SSM (sound): a constant minimises it" in (tmp_path / "results.md").read_text()


def test_cells_of_the_plan_without_a_record_stand_as_not_run(tmp_path):
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
    assert gather(records, plan.seeds)[0].expected == (0, 1, 2)


def test_a_recipe_whose_other_seed_is_drawn_says_so(tmp_path):
    records = [
        with_pictures(made_record("ssm", 0)).updated(scores={}),  # a record of old: it kept no scores
        with_pictures(made_record("ssm", 1)),
        with_pictures(made_record("ssm", 0, gamma=1.0)),
    ]
    write_report(records, tmp_path)
    page = (tmp_path / "results.md").read_text()
    assert "against each OOD set (one seed of each recipe, at its label);" in page
    assert "Densities on segment (seed 0), coloured" in page
    words = re.findall("<!-- (.*?) -->", (tmp_path / "figures" / "histograms-segment-ssm.svg").read_text())
    assert {"seed 0", "seed 1"} <= set(words)


def test_rays_that_stay_within_one_have_plain_ticks():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(0.01, 100)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(-0.293573, 0.0150237)
    _few_ticks(axes)
    axes.figure.draw_without_rendering()
    labels = [label.get_text().replace("\N{MINUS SIGN}", "-") for label in axes.get_yticklabels()]
    inside = [float(label) for label in labels if -0.293573 <= float(label) <= 0.0150237]
    assert 0.0 in inside
    assert len(inside) >= 3
    assert all(abs(100 * value - round(100 * value)) < 1e-9 for value in inside)


def test_report_of_nothing(tmp_path):
    write_report([], tmp_path)
    assert "No cell yet." in (tmp_path / "results.md").read_text()


def test_a_folder_that_cannot_be_made_is_named(study, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EbmoodError, match="file"):
        write_report(study, tmp_path / "file")
