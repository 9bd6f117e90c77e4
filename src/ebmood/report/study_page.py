"""The page of a study: answers first, then all tables and figures, from records only."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ebmood.report.page import Block, Chart, Facts, Grid, Page, Section, Text
from ebmood.report.svg import inline, of_png
from ebmood.results.answer import answer_tables
from ebmood.results.arms import Arm, conditions_of, gather
from ebmood.results.figures.all_figures import draw_answers, draw_figures
from ebmood.results.figures.style import Drawing
from ebmood.results.run_summary import DATA_NOTE, DATA_TITLES, RunSummary, summarize_run
from ebmood.results.tables.all_tables import all_tables
from ebmood.results.tables.legend import legend
from ebmood.results.tables.table import Table
from ebmood.results.text import duration, listed, slug
from ebmood.study.plan import Plan
from ebmood.study.records import Record


def study_page(title: str, records: Sequence[Record], plan: Plan | None = None) -> Page:
    """Return the page of a study.

    Args:
        title: title of the study.
        records: records of a study, done and failed ones.
        plan: plan of the study; its cells without a record are listed as not run.
    """
    seeds = plan.seeds if plan else None
    missing = plan.cells_without_record(records) if plan else []
    arms = gather(records, seeds)
    summary = summarize_run(arms, missing)
    with tempfile.TemporaryDirectory() as folder:
        answers = [(d, _chart(Path(folder), d)) for d in draw_answers(arms, Path(folder))]
        figures = [_chart(Path(folder), drawing) for drawing in draw_figures(arms, Path(folder))]
    sections = [
        *_answer_sections(answers),
        *(Section(table.name, table.title, [_grid(table, fold=False)]) for table in answer_tables(arms)),
        Section("run", "What was run", _what_was_run(summary)),
        *(Section(f"table-{slug(t.name)}", t.title, [_grid(t)]) for t in all_tables(records, seeds)),
        Section("words", "How to read the tables", [Facts(legend(arms))]),
        *([Section("figures", "Figures", figures)] if figures else []),
    ]
    return Page(title, _lead(arms, summary), tuple(sections), f"Made by ebmood {version('ebmood')}.")


def _lead(arms: Sequence[Arm], summary: RunSummary) -> str:
    data = listed(condition.label for condition in conditions_of(arms)) or "no data"
    cells = len(summary.records)
    lead = f"{cells} cells (data set x recipe x seed) on {data}; {summary.failed} failed."
    return lead + (f" {len(summary.missing)} more are not run." if summary.missing else "")


def _answer_sections(answers: Sequence[tuple[Drawing, Chart]]) -> list[Section]:
    """Return one section per figure with a title; figures without one continue the section before."""
    sections: list[Section] = []
    for drawing, chart in answers:
        if drawing.title:
            sections.append(Section(f"answer-{drawing.name}", drawing.title, [chart]))
        else:
            last = sections[-1]
            sections[-1] = Section(last.anchor, last.title, [*last.blocks, chart])
    return sections


def _what_was_run(summary: RunSummary) -> list[Block]:
    numeric = (False, False, *[True] * (len(DATA_TITLES) - 3), False)
    versions = {name: number for record in summary.records for name, number in record.versions.items()}
    facts = (
        ("Cells", f"{len(summary.records)}, of which {summary.failed} failed"),
        ("Sum of the run times", duration(sum(record.seconds for record in summary.records))),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items()) or "not recorded"),
    )
    return [
        Grid("Data", DATA_TITLES, numeric, summary.data, (DATA_NOTE,)),
        Facts(facts),
        *(Text(remark) for remark in summary.remarks if not remark.startswith("Versions")),
        *(Text(failure, alert=True) for failure in summary.failures),
    ]


def _grid(table: Table, fold: bool = True) -> Block:
    if not table.rows:
        return Text(" ".join(table.notes) or "Nothing to show.")
    return Grid(
        table.title,
        tuple(table.titles),
        tuple(column.shape != "text" for column in table.columns),
        tuple(tuple(texts) for texts in table.texts()),
        table.notes,
        folded=fold and table.is_long,
    )


def _chart(folder: Path, drawing: Drawing) -> Chart:
    if drawing.svg:
        svg = (folder / f"{drawing.name}.svg").read_text(encoding="utf-8")
    else:
        svg = of_png((folder / f"{drawing.name}.png").read_bytes())
    return Chart(inline(svg, drawing.name, drawing.caption), drawing.caption, drawn_for_paper=True)
