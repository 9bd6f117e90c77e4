"""The answer of `ebmood monitor`: the alarm, the features that differ, and a table of batches; or all of it as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

from ebmood.core.words import printable

if TYPE_CHECKING:
    from ebmood.monitoring import Monitor

SHOWN = 40
"""Batches that are printed. `--json` and the page have all of them."""


def describe_alarm(watching: "Monitor") -> str:
    """Return where the alarm is and what gave it. Rows or images are counted from 1."""
    from ebmood.detector.raw.items import items_of

    alarm, one = watching.alarm, items_of(watching.detector).one
    assert alarm is not None
    at = f" ({alarm.label})" if alarm.label else ""
    since = f" ({alarm.change_label})" if alarm.change_label else ""
    what = "the score" if alarm.stream == "score" else f"the values of {alarm.stream!r}"
    return f"{one} {alarm.row + 1:,}{at}, by {what}; the change most likely began at {one} {alarm.change + 1:,}{since}"


def _answer(watching: "Monitor", is_table: bool) -> list[str]:
    """Return the answer in a few lines."""
    from ebmood.detector.raw.items import items_of
    from ebmood.monitoring.state import SCORE
    from ebmood.monitoring.summary import drifted_since_change, log10

    state, settings, items = watching.state, watching.settings, items_of(watching.detector)
    bound = f"probability that a false alarm ever occurs: at most {settings.delta:g}"
    if not watching.has_bound:
        bound = "the probability of a false alarm has no bound"
    if state.alarm is None:
        lines = [
            f"No alarm in {items.count(state.rows)}: evidence {log10(state.log_evidence)} of "
            f"{log10(settings.log_threshold)} ({bound})."
        ]
    else:
        lines = [f"Alarm at {describe_alarm(watching)} ({bound})."]
        features = drifted_since_change(watching)
        if features:
            named = ", ".join(f"{name} (in {count} of {of} batches)" for name, count, of in features[:5])
            more = f", and {len(features) - 5} more" if len(features) > 5 else ""
            lines.append(f"Features that differ since then: {named}{more}.")
        elif is_table and watching.feature_names and state.alarm.stream == SCORE:
            lines.append("No single feature differs; their combination does.")
    if not watching.has_bound:
        lines.append(f"No bound: {watching.no_bound}.")
    if settings.run_length is not None:
        rate = f" (on average at most one false alarm in {settings.run_length:,.0f} {items.many})"
        lines.append(f"{state.restarts:,} alarms with restarts{rate if watching.has_bound else ''}.")
    if is_table and not watching.feature_names:
        lines.append(
            "Features are not compared, because the detector holds no sample of rows; give --reference."
        )
    return lines


def print_answer(watching: "Monitor", is_table: bool) -> None:
    """Print the answer, and the latest batches. `is_table` says whether features could be compared."""
    from ebmood.cli.terminal_tables import output_console, print_table
    from ebmood.detector.raw.items import items_of
    from ebmood.monitoring.summary import log10
    from ebmood.results.tables.table import Column, Table

    console = output_console()
    for line in _answer(watching, is_table):
        console.print(printable(line), markup=False)
    shown = watching.batches[-SHOWN:]
    rows = tuple(
        (
            batch.label or f"{batch.first_row + 1:,} to {batch.first_row + batch.rows:,}",
            batch.rows,
            f"{batch.flagged / batch.rows:.1%}",
            log10(batch.log_evidence),
            ", ".join(batch.drifted[:4])
            + (f", {len(batch.drifted) - 4} more" if len(batch.drifted) > 4 else ""),
        )
        for batch in shown
    )
    columns = (
        Column("batch", "batch"),
        Column("rows", items_of(watching.detector).many, "number"),
        Column("flagged", "flagged"),
        Column("evidence", "evidence"),
        Column("features", "features that differ"),
    )
    left_out = len(watching.batches) - len(shown)
    notes = (f"{left_out} earlier batches are not shown; --json and --page have them.",) if left_out else ()
    threshold = log10(watching.settings.log_threshold)
    if rows:
        console.print()
        print_table(
            console, Table("batches", f"Batches (alarm from evidence {threshold})", columns, rows, notes)
        )


def as_json(watching: "Monitor", model: Path) -> dict:
    """Return the result as JSON. Rows are counted from 1, evidence is a natural logarithm."""
    state = watching.state

    def alarm(found) -> dict:
        return found.model_dump() | {"row": found.row + 1, "change": found.change + 1}

    return {
        "model": str(model),
        "rows": state.rows,
        "delta": watching.settings.delta,
        "has_bound": watching.has_bound,
        "no_bound": watching.no_bound or None,
        "log_evidence": state.log_evidence,
        "alarm": state.alarm and alarm(state.alarm),
        "restarts": state.restarts,
        "restarted": [alarm(found) for found in state.restarted],
        "features": list(watching.feature_names),
        "batches": [batch.model_dump() | {"first_row": batch.first_row + 1} for batch in watching.batches],
    }
