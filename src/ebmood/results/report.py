"""Tables, figures and the page that holds them together, from records alone."""

from collections.abc import Sequence
from pathlib import Path

from ebmood.core.files import write_text
from ebmood.results.arms import Arm, conditions_of, gather, one_line
from ebmood.results.conditions import Condition
from ebmood.results.drawing import Picture
from ebmood.results.figures import draw_figures
from ebmood.results.table import Table
from ebmood.results.tables import all_tables, legend
from ebmood.study.plan import Plan
from ebmood.study.records import Record


def write_report(
    records: Sequence[Record], folder: Path | str, title: str = "Results", plan: Plan | None = None
) -> list[Table]:
    """Write tables, figures and `results.md` into `folder`; each file appears whole or not at all.

    Args:
        records: of a study, done and failed ones.
        folder: made where it does not exist. Gets `tables/*.md,csv,tex`, `figures/*.png,svg`, `results.md`.
        title: heading of `results.md`.
        plan: what the study asks for; its cells without a record are listed as not run.

    Returns:
        The tables, in the order of the page.

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
    pictures = draw_figures(arms, folder / "figures")
    write_text(folder / "results.md", _page(title, arms, missing, tables, pictures))
    return tables


def _page(
    title: str,
    arms: Sequence[Arm],
    missing: Sequence[str],
    tables: Sequence[Table],
    pictures: Sequence[Picture],
) -> str:
    parts = [f"# {title}\n", _what_was_run(arms, missing), _legend(arms)]
    for table in tables:
        files = ", ".join(f"[{kind}](tables/{table.name}.{kind})" for kind in ("csv", "tex"))
        parts.append(f"## {table.title}\n\n{table.markdown()}\nAs files: {files}\n")
    if pictures:
        parts.append("## Figures\n")
    for picture in pictures:
        path = f"figures/{picture.name}"
        link = f" ([SVG]({path}.svg))" if picture.svg else ""
        parts.append(f"![{picture.caption}]({path}.png)\n\n{picture.caption}{link}\n")
    return "\n".join(parts)


def _what_was_run(arms: Sequence[Arm], missing: Sequence[str]) -> str:
    records = [record for arm in arms for record in arm.records.values()]
    if not records:
        return "## What was run\n\nNo cell yet.\n"
    failed = [record for record in records if record.status == "failed"]
    hours = _duration(sum(record.seconds for record in records))
    lines = [
        "## What was run\n",
        f"{len(records)} cells (data set x recipe x seed): {len(records) - len(failed)} done, "
        f"{len(failed)} failed{f', {len(missing)} not run' if missing else ''}. "
        f"Together they took {hours} of wall time, each cell counted by itself"
        + (f"; the first started {min(started)} (UTC).\n" if (started := _started(records)) else ".\n"),
        "| data | content | training rows | validation | test | duplicates | crossing | seeds |",
        "| :-- | :-- | --: | --: | --: | --: | --: | :-- |",
        *(_data_line(condition, arms) for condition in conditions_of(arms)),
        "",
        "Content is a digest of the rows. Duplicates counts in-distribution rows that repeat an earlier one; "
        "crossing, validation and test rows that also stand among the training rows (ranges are over seeds)."
        "\n",
    ]
    lines += [f"- Versions: {_versions(records)}."]
    shortened = sorted({arm.name for arm in arms if arm.shortened})
    if shortened:
        lines.append(f"- Shortened below the protocol's settings: {_listed(shortened)}.")
    if any(record.selection == "paper" for record in records):
        lines.append("- Some cells used `selection: paper`, which picks a checkpoint by looking at OOD rows.")
    for reason in dict.fromkeys(r.degenerate for r in records if r.degenerate):
        who = sorted(
            {f"{a.name} ({a.variant})" for a in arms for r in a.records.values() if r.degenerate == reason}
        )
        lines.append(f"- Degenerate: {', '.join(who)}: {one_line(reason, 400)}")
    lines += _grouped("Healed", [(event, r) for r in records for event in r.events], arms)
    lines += [f"- {text}." for condition in conditions_of(arms) for text in condition.remarks]
    if missing:
        lines.append(f"- Not run, {len(missing)} x: {'; '.join(by_recipe(missing))}.")
    lines += _grouped("Failed", [(r.reason or "no reason recorded", r) for r in failed], arms)
    notes = [(note, r) for r in records for note in r.notes if not _known(note, r)]
    lines += _grouped("Note", notes, arms)
    return "\n".join(lines) + "\n"


def by_recipe(names: Sequence[str]) -> list[str]:
    """Cells' names with the seeds of each recipe together: `moons, knn (seeds 1, 2)`."""
    seeds: dict[str, list[str]] = {}
    for name in names:
        recipe, _, seed = name.rpartition(", seed ")
        seeds.setdefault(recipe or name, []).append(seed)
    return [
        f"{recipe} ({'seeds' if len(some) > 1 else 'seed'} {', '.join(some)})"
        for recipe, some in seeds.items()
    ]


def _known(note: str, record: Record) -> bool:
    """Whether a note says again that a recipe is degenerate, or why a natural set is absent."""
    absent = any(name in note and reason in note for name, reason in record.absent.items())
    return absent or bool(record.degenerate and record.degenerate in note)


def _data_line(condition: Condition, arms: Sequence[Arm]) -> str:
    here = [arm for arm in arms if arm.condition == condition]
    rows = [record.rows for arm in here for record in arm.records.values() if record.rows]
    counts = []
    for name in ("train", "validation", "test", "duplicates", "crossing"):
        values = sorted({row[name] for row in rows if name in row})
        counts.append("–" if not values else "–".join(str(v) for v in dict.fromkeys((values[0], values[-1]))))
    seeds = ", ".join(str(seed) for seed in here[0].expected)
    return f"| {' | '.join([condition.label, f'`{condition.content}`', *counts, seeds])} |"


def _grouped(head: str, said: Sequence[tuple[str, Record]], arms: Sequence[Arm]) -> list[str]:
    """One line for each different text, with how many cells said it and which methods they used."""
    names = {id(record): arm.name for arm in arms for record in arm.records.values()}
    lines = []
    for text in dict.fromkeys(text for text, _ in said):
        who = [names[id(record)] for other, record in said if other == text]
        lines.append(f"- {head}, {len(who)} x ({_listed(who)}): {one_line(text, 400)}")
    return lines


def _listed(names: Sequence[str]) -> str:
    """Names in one list; some hold a comma themselves."""
    return ("; " if any("," in name for name in names) else ", ").join(dict.fromkeys(names))


def _versions(records: Sequence[Record]) -> str:
    versions: dict[str, dict[str, None]] = {}
    for record in records:
        for name, version in record.versions.items():
            versions.setdefault(name, {})[version] = None
    return ", ".join(f"{name} {' and '.join(found)}" for name, found in versions.items()) or "not recorded"


def _started(records: Sequence[Record]) -> list[str]:
    return [record.started[:16].replace("T", " ") for record in records if record.started]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _legend(arms: Sequence[Arm]) -> str:
    words = "".join(f"- **{word}**: {meaning}\n" for word, meaning in legend(arms))
    return f"## How to read the tables\n\n{words}"
