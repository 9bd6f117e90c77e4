"""The report of a study as Markdown: answers first, then all tables and figures, from records only."""

from collections.abc import Sequence
from pathlib import Path

from ebmood.core.files import write_text
from ebmood.results.answer import answer_tables
from ebmood.results.arms import Arm, gather
from ebmood.results.figures.all_figures import draw_answers, draw_figures
from ebmood.results.figures.style import Drawing
from ebmood.results.run_summary import DATA_NOTE, DATA_TITLES, RunSummary, summarize_run
from ebmood.results.tables.all_tables import all_tables
from ebmood.results.tables.legend import legend
from ebmood.results.tables.table import Table
from ebmood.study.plan import Plan
from ebmood.study.records import Record

PAGE = "results.md"
"""Name of the report in the folder of a study."""


def write_report(
    records: Sequence[Record], folder: Path | str, title: str = "Results", plan: Plan | None = None
) -> list[Table]:
    """Write tables, figures and `results.md` into `folder`. Each file is written atomically.

    Args:
        records: records of a study, done and failed ones.
        folder: created if it does not exist. Gets `tables/*.md,csv,tex`, `figures/*.png,svg` and `results.md`.
        title: heading of `results.md`.
        plan: plan of the study; its cells without a record are listed as not run.

    Returns:
        All tables in the order of the report.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    folder = Path(folder)
    seeds = plan.seeds if plan else None
    missing = plan.cells_without_record(records) if plan else []
    tables = all_tables(records, seeds)
    for table in tables:
        write_text(folder / "tables" / f"{table.name}.md", f"# {table.title}\n\n{table.markdown()}")
        write_text(folder / "tables" / f"{table.name}.csv", table.csv())
        write_text(folder / "tables" / f"{table.name}.tex", table.latex())
    arms = gather(records, seeds)
    answers = draw_answers(arms, folder / "figures")
    figures = draw_figures(arms, folder / "figures")
    summary = summarize_run(arms, missing)
    page = [
        f"# {title}\n",
        f"{summary.counts}\n",
        *map(_answer, answers),
        *(f"## {table.title}\n\n{table.markdown()}" for table in answer_tables(arms)),
        _what_was_run(summary),
        _legend(arms),
        *map(_section, tables),
        *(["## Figures\n"] if figures else []),
        *map(_figure, figures),
    ]
    write_text(folder / PAGE, "\n".join(page))
    return tables


def _answer(drawing: Drawing) -> str:
    heading = f"## {drawing.title}\n\n" if drawing.title else ""
    return heading + _figure(drawing)


def _figure(drawing: Drawing) -> str:
    path = f"figures/{drawing.name}"
    link = f" ([SVG]({path}.svg))" if drawing.svg else ""
    return f"![{drawing.caption}]({path}.png)\n\n{drawing.caption}{link}\n"


def _section(table: Table) -> str:
    """Return a table with its heading and the links to its files; a long table is folded."""
    files = ", ".join(f"[{kind}](tables/{table.name}.{kind})" for kind in ("csv", "tex"))
    body = table.markdown()
    if table.is_long:
        summary = f"<summary>{len(table.rows)} rows</summary>"
        body = f'<details markdown="1">\n{summary}\n\n{body}\n</details>\n'
    return f"## {table.title}\n\n{body}\nAs files: {files}\n"


def _what_was_run(summary: RunSummary) -> str:
    lines = ["## What was run\n"]
    if summary.data:
        rules = [":--", ":--", *["--:"] * (len(DATA_TITLES) - 3), ":--"]
        lines += [f"| {' | '.join(row)} |" for row in (DATA_TITLES, rules, *summary.data)]
        lines += ["", f"{DATA_NOTE}\n"]
    lines += [f"- {remark}" for remark in (*summary.remarks, *summary.failures)]
    return "\n".join(lines) + "\n"


def _legend(arms: Sequence[Arm]) -> str:
    words = "".join(f"- **{word}**: {meaning}\n" for word, meaning in legend(arms))
    return f"## How to read the tables\n\n{words}"
