"""The page of a watched feed: the course of the evidence, the batches, and the features."""

from collections.abc import Sequence
from importlib.metadata import version

from ebmood.detector.raw.items import ROWS, Items, items_of
from ebmood.monitoring import Batch, Monitor
from ebmood.monitoring.state import Alarm, joined_in_pairs
from ebmood.monitoring.summary import count_drifted, drifted_since_change, log10
from ebmood.report import monitor_charts
from ebmood.report.page import Block, Charts, Facts, Grid, Page, Section, Text

MAX_DRAWN, MAX_COLOURED = 200, 50
"""Batches in the figures of courses, and in that of features. If there are more, neighbours are joined."""


def monitor_page(monitor: Monitor, title: str = "Feed") -> Page:
    """Return the page of a watched feed.

    Args:
        monitor: with any number of rows so far.
        title: heading of the page.
    """
    footer = f"Made by ebmood {version('ebmood')}."
    items = items_of(monitor.detector)
    if not monitor.batches:
        return Page(title, f"No {items.many} were watched.", (), footer)
    batches = _joined(monitor.batches, MAX_DRAWN)
    evidence = monitor_charts.course(batches, monitor.settings.log_threshold, monitor.alarm, items)
    flagged = monitor_charts.flagged(batches, monitor.detector.false_alarm_rate_, items)
    features = monitor_charts.features(_joined(batches, MAX_COLOURED), monitor.feature_names)
    sections = [
        Section("course", "Evidence over time", [evidence, *_alarms(monitor)]),
        Section("batches", "Batches", [flagged, _table(monitor)]),
        Section(
            "features",
            "Features",
            _features(monitor, features),
        ),
        Section("guarantee", "What the alarm means", _guarantee(monitor)),
    ]
    return Page(title, _lead(monitor), tuple(sections), footer)


def _joined(batches: Sequence[Batch], most: int) -> list[Batch]:
    batches = list(batches)
    while len(batches) > most:
        batches = joined_in_pairs(batches)
    return batches


def _lead(monitor: Monitor) -> str:
    state, settings, items = monitor.state, monitor.settings, items_of(monitor.detector)
    if state.alarm is None:
        return (
            f"No alarm in {items.count(state.rows)}. The evidence is {log10(state.log_evidence)} (log10); an alarm "
            f"needs {log10(settings.log_threshold)}."
        )
    features = [name for name, _, _ in drifted_since_change(monitor)[:5]]
    named = f" Features that differ since then: {', '.join(features)}." if features else ""
    return f"Alarm at {_place(state.alarm, items)}, in {items.count(state.rows)}.{named}"


def _place(alarm: Alarm, items: Items) -> str:
    """Return where an alarm is, with rows or images counted from 1."""
    at = f" ({alarm.label})" if alarm.label else ""
    since = f" ({alarm.change_label})" if alarm.change_label else ""
    what = "the score" if alarm.stream == "score" else f"the values of `{alarm.stream}`"
    return (
        f"{items.one} {alarm.row + 1:,}{at}, by {what}; the change most likely began at {items.one} "
        f"{alarm.change + 1:,}{since}"
    )


def _alarms(monitor: Monitor) -> list[Block]:
    blocks: list[Block] = []
    items = items_of(monitor.detector)
    if monitor.alarm is not None:
        blocks.append(Text(f"Alarm at {_place(monitor.alarm, items)}.", alert=True))
    if monitor.settings.run_length is not None:
        listed = tuple(
            (f"{alarm.row + 1:,}", alarm.label or "", alarm.stream) for alarm in monitor.restarted[-50:]
        )
        rate = f" (on average at most one false alarm in {monitor.settings.run_length:,.0f} {items.many})"
        caption = f"Alarms with restarts: {monitor.restarts:,}{rate if monitor.has_bound else ''}"
        blocks.append(
            Grid(
                caption,
                (items.one, "batch", "found by"),
                (True, False, False),
                listed,
                folded=len(listed) > 10,
            )
        )
    return blocks


def _table(monitor: Monitor) -> Grid:
    rows = tuple(
        (
            batch.label or f"{batch.first_row + 1:,} to {batch.first_row + batch.rows:,}",
            f"{batch.rows:,}",
            f"{batch.flagged / batch.rows:.1%}",
            log10(batch.log_evidence),
            ", ".join(batch.drifted[:5])
            + (f" and {len(batch.drifted) - 5} more" if len(batch.drifted) > 5 else ""),
        )
        for batch in monitor.batches
    )
    return Grid(
        f"{len(rows)} batches",
        ("batch", items_of(monitor.detector).many, "flagged", "evidence (log10)", "features that differ"),
        (False, True, True, True, False),
        rows,
        folded=len(rows) > 20,
    )


def _features(monitor: Monitor, chart: monitor_charts.Chart | None) -> list[Block]:
    if chart is None:
        items = items_of(monitor.detector)
        reason = "the detector holds no sample of rows; give reference rows"
        return [
            Text(
                f"Features are not compared, because {reason if items is ROWS else f'the feed has {items.many}'}."
            )
        ]
    counts = count_drifted(monitor.batches)
    rows = tuple((name, f"{count} of {len(monitor.batches)}") for name, count in counts.most_common(50))
    text = (
        f"Each batch is compared with {len(monitor.reference.rows):,} reference rows, feature by feature. A feature is "
        "named if Benjamini-Hochberg selects it in its batch, at a false discovery rate of "
        f"{monitor.settings.fdr:g}. Of batches without a change, up to {monitor.settings.fdr:.0%} name some feature."
    )
    blocks: list[Block] = [Text(text), Charts((chart,))]
    if rows:
        blocks.append(Grid("Batches in which a feature differs", ("feature", "batches"), (False, True), rows))
    return blocks


def _guarantee(monitor: Monitor) -> list[Block]:
    items = items_of(monitor.detector)
    watched = ", ".join(f"`{name}`" for name in monitor.stream_names[:20])
    more = len(monitor.stream_names) - 20
    bound = f"at most {monitor.settings.delta:g}" if monitor.has_bound else "without a bound"
    facts = (
        ("Probability that a false alarm ever occurs", bound),
        (f"Calibration {items.many}", f"{len(monitor.detector.calibration_scores_):,}"),
        (f"{items.many.capitalize()} of the feed", f"{monitor.rows:,}"),
        ("Watched", watched + (f" and {more} more" if more > 0 else "")),
    )
    if not monitor.has_bound:
        return [Facts(facts), Text(f"No bound on false alarms holds: {monitor.no_bound}.", alert=True)]
    within = " of the same hour or weekday" if monitor.strata.count > 1 else ""
    return [
        Facts(facts),
        Text(
            f"The bound holds if the {items.many} of the feed are exchangeable with those of the fit{within}, for "
            f"example independent. {items.many.capitalize()} that depend on each other in time give false alarms."
        ),
    ]
