"""The page of a study: its tables and figures, from records alone."""

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ebmood.report.page import Block, Chart, Facts, Grid, Page, Section, Text
from ebmood.report.svg import inline, of_png
from ebmood.results.arms import Arm, conditions_of, gather, one_line
from ebmood.results.drawing import Picture
from ebmood.results.figures import draw_figures
from ebmood.results.report import by_recipe
from ebmood.results.table import Table, slug
from ebmood.results.tables import all_tables, legend
from ebmood.study.plan import Plan
from ebmood.study.records import Record

COUNTS = ("train", "validation", "test", "duplicates", "crossing")


def study_page(title: str, records: Sequence[Record], plan: Plan | None = None) -> Page:
    """The page of a study.

    Args:
        title: of the study.
        records: one for each cell that was run, done and failed ones.
        plan: what the study asks for; its cells without a record are listed as not run.
    """
    seeds = plan.seeds if plan else None
    missing = plan.cells_without_record(records) if plan else []
    arms = gather(records, seeds)
    failed = [record for record in records if record.status == "failed"]
    sections = [Section("run", "What was run", _what_was_run(arms, records, failed, missing))]
    for table in all_tables(records, seeds):
        sections.append(Section(f"table-{slug(table.name)}", table.title, [_grid(table)]))
    sections.append(Section("words", "How to read the tables", [Facts(legend(arms))]))
    charts = _charts(arms)
    if charts:
        sections.append(Section("figures", "Figures", charts))
    data = ", ".join(condition.label for condition in conditions_of(arms))
    lead = f"{len(records)} cells (data set x recipe x seed) on {data or 'no data'}; {len(failed)} failed."
    lead += f" {len(missing)} more are not run." if missing else ""
    return Page(title, lead, tuple(sections), f"Made by ebmood {version('ebmood')}.")


def _what_was_run(
    arms: Sequence[Arm], records: Sequence[Record], failed: Sequence[Record], missing: Sequence[str]
) -> list[Block]:
    rows = []
    for condition in conditions_of(arms):
        here = [arm for arm in arms if arm.condition == condition]
        counts = [record.rows for arm in here for record in arm.records.values() if record.rows]
        spans = [sorted({row[name] for row in counts if name in row}) for name in COUNTS]
        seeds = ", ".join(map(str, here[0].expected))
        rows.append((condition.label, f"`{condition.content}`", *map(_span, spans), seeds))
    blocks: list[Block] = [
        Grid(
            "Data",
            ("data", "content", "training rows", *COUNTS[1:], "seeds"),
            (False, False, *[True] * len(COUNTS), False),
            tuple(rows),
            (
                "Content is a digest of the rows. Duplicates counts in-distribution rows that repeat an earlier one; "
                "crossing, validation and test rows that also stand among the training rows. Ranges are over seeds.",
            ),
        )
    ]
    versions = {name: number for record in records for name, number in record.versions.items()}
    facts = [
        ("Cells", f"{len(records)}, of which {len(failed)} failed"),
        ("Wall time, every cell by itself", _duration(sum(record.seconds for record in records))),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items()) or "not recorded"),
    ]
    blocks.append(Facts(tuple(facts)))
    healed = [(record, event) for record in records for event in record.events]
    for record, event in healed:
        who = f"{record.dataset}, {record.method} {record.variant}, seed {record.seed}"
        blocks.append(Text(f"Healed ({who}): {one_line(event, 400)}"))
    blocks += [Text(f"{text}.") for condition in conditions_of(arms) for text in condition.remarks]
    if missing:
        blocks.append(Text(f"Not run, {len(missing)} x: {'; '.join(by_recipe(missing))}."))
    for reason in dict.fromkeys(record.reason or "no reason recorded" for record in failed):
        who = [record for record in failed if (record.reason or "no reason recorded") == reason]
        methods = ", ".join(dict.fromkeys(record.method for record in who))
        blocks.append(Text(f"Failed, {len(who)} x ({methods}): {one_line(reason, 400)}", alert=True))
    return blocks


def _grid(table: Table) -> Block:
    if not table.rows:
        return Text(" ".join(table.notes) or "Nothing to show.")
    return Grid(
        table.title,
        tuple(column.title for column in table.columns),
        tuple(column.shape != "text" for column in table.columns),
        tuple(tuple(texts) for texts in table.texts()),
        table.notes,
    )


def _charts(arms: Sequence[Arm]) -> list[Block]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            Chart(_drawing(Path(folder), picture), picture.caption, drawn_for_paper=True)
            for picture in draw_figures(arms, Path(folder))
        ]


def _drawing(folder: Path, picture: Picture) -> str:
    if picture.svg:
        svg = (folder / f"{picture.name}.svg").read_text(encoding="utf-8")
    else:
        svg = of_png((folder / f"{picture.name}.png").read_bytes())
    return inline(svg, picture.name, picture.caption)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _span(values: Sequence[int]) -> str:
    return "–" if not values else "–".join(f"{value:,}" for value in dict.fromkeys((values[0], values[-1])))
