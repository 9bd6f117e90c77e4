"""The end of a study on the terminal: its answer in at most 40 lines, failures, and the path of the report."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ebmood.cli.terminal_tables import output_console, print_compact_table, print_table
from ebmood.study.plan import Plan
from ebmood.study.records import Record

MOST_LINES = 40
"""Lines of the answer, with failures and the path of the report."""

MOST_FAILURES = 5
"""Reasons of failures that are printed."""

MOST_NUDGED = 3
"""Recipes that are named as not repeatable."""

LINES_PER_TABLE = 3
"""Title, header and note of a table."""


def print_answer(plan: Plan, records: Sequence[Record], folder: Path, full: bool = False) -> bool:
    """Write tables, figures and the report into `folder`, and print the answer of a study.

    Args:
        plan: plan of the study.
        records: its records.
        folder: its folder.
        full: whether to print all tables before the answer.

    Returns:
        Whether a cell failed.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    # These modules load matplotlib; a study imports this module before its training.
    from ebmood.results.answer import answer_tables
    from ebmood.results.arms import gather
    from ebmood.results.markdown_report import PAGE, write_report
    from ebmood.results.run_summary import repeatability

    messages = Console(stderr=True, highlight=False)
    with messages.status("writing tables and figures"):
        tables = write_report(records, folder, plan.title, plan)
    console = output_console()
    if full:
        for table in tables:
            print_table(console, table)
    failures = _failures(records)
    missing = plan.cells_without_record(records)
    arms = gather(records, plan.seeds)
    nudged = repeatability(arms, MOST_NUDGED)
    footer = [
        *failures,
        *([nudged] if nudged else []),
        *([f"{len(missing)} of {len(plan.keys)} cells are not run yet"] if missing else []),
    ]
    footer.append(f"report: {folder / PAGE} (as HTML: ebmood report {folder})")
    kinds = {arm.condition.paper is None for arm in arms}
    for table in answer_tables(arms, MOST_LINES - len(footer) - LINES_PER_TABLE * len(kinds)):
        print_compact_table(console, table)
    for line in footer:
        style = "red" if line in failures else None
        messages.print(line, style=style, markup=False, soft_wrap=True)
    return bool(failures)


def _failures(records: Sequence[Record]) -> list[str]:
    """Return one line per reason of a failure, and one with their number."""
    failed = [record for record in records if record.status == "failed"]
    if not failed:
        return []
    reasons: dict[str, list[str]] = {}
    for record in failed:
        gamma = "" if record.gamma is None else f" gamma={record.gamma:g}"
        nudged = " nudged" if record.twin_of else ""
        name = f"{record.dataset}, {record.method} {record.variant}{gamma}{nudged}, seed {record.seed}"
        reasons.setdefault(" ".join((record.reason or "no reason recorded").split()), []).append(name)
    lines = [
        f"failed: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {reason}"
        for reason, names in reasons.items()
    ]
    if len(lines) > MOST_FAILURES:
        lines[MOST_FAILURES:] = [f"failed: {len(lines) - MOST_FAILURES} more reasons, see the report"]
    return [*lines, f"{len(failed)} of {len(records)} cells failed; --retry-failed runs them again"]
