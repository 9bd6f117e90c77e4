"""What was run: counts, data, versions, failures and notes, for the reports in Markdown and HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebmood.results.arms import NUDGE_LIMIT, Arm, conditions_of
from ebmood.results.conditions import Condition
from ebmood.results.text import by_recipe, duration, listed, one_line, value_range
from ebmood.study.records import Record

COUNTS = ("train", "validation", "test", "duplicates", "crossing")
DATA_TITLES = ("data", "content", "training rows", *COUNTS[1:], "seeds")
DATA_NOTE = (
    "Content is a digest of the rows. Duplicates counts in-distribution rows that repeat an earlier one; crossing "
    "counts validation and test rows that are also training rows. Ranges are over seeds."
)
LONGEST = 400
"""Characters of one remark."""


@dataclass(frozen=True)
class RunSummary:
    """What was run.

    Attributes:
        records: all records of the arms.
        failed: number of failed records.
        missing: names of planned cells without a record.
        data: one row per condition, with the columns `DATA_TITLES`.
        remarks: sentences about versions, marks, rollbacks and notes.
        failures: sentences about failures, one per reason.
    """

    records: tuple[Record, ...]
    failed: int
    missing: tuple[str, ...]
    data: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def counts(self) -> str:
        """How many cells are done, failed and missing, and how long they took."""
        if not self.records:
            return "No cells yet."
        missing = f", {len(self.missing)} not run" if self.missing else ""
        time = duration(sum(record.seconds for record in self.records))
        started = [record.started[:16].replace("T", " ") for record in self.records if record.started]
        start = f"; the first started {min(started)} (UTC)" if started else ""
        return (
            f"{len(self.records)} cells (data set x recipe x seed): {len(self.records) - self.failed} done, "
            f"{self.failed} failed{missing}. The sum of their run times is {time}{start}."
        )


def summarize_run(arms: Sequence[Arm], missing: Sequence[str] = ()) -> RunSummary:
    """Return what was run.

    Args:
        arms: the arms of the study.
        missing: names of planned cells without a record.
    """
    records = [record for arm in arms for record in arm.records.values()]
    failed = [
        (record.reason or "no reason recorded", record) for record in records if record.status == "failed"
    ]
    return RunSummary(
        tuple(records),
        len(failed),
        tuple(missing),
        tuple(_data_row(arms, condition) for condition in conditions_of(arms)),
        tuple(_remarks(arms, records, missing)) if records else (),
        tuple(_grouped("Failed", failed, arms)),
    )


def repeatability(arms: Sequence[Arm], most: int | None = None) -> str:
    """Return which arms are not repeatable, as a sentence without full stop; an empty string without nudged twins.

    Args:
        arms: the arms of the study.
        most: largest number of arms that are named; None for all.
    """
    nudged = [(arm, arm.nudge_difference) for arm in arms if arm.nudge_difference is not None]
    if not nudged:
        return ""
    several = len(conditions_of(arms)) > 1
    largest = sorted(nudged, key=lambda pair: -pair[1])
    names = [
        f"{arm.label}{f' on {arm.condition.label}' if several else ''} (by {difference:.3f})"
        for arm, difference in largest
        if difference > NUDGE_LIMIT
    ]
    if not names:
        return (
            f"Repeatable, {len(nudged)} of {len(nudged)} nudged recipes: one last bit of one weight changes AUROC by "
            f"at most {largest[0][1]:.3f}"
        )
    hidden = [f"{len(names[most:])} more"] if most and names[most:] else []
    return (
        f"Not repeatable, {len(names)} of {len(nudged)} nudged recipes: one last bit of one weight changes some AUROC "
        f"of {listed([*names[:most], *hidden])}"
    )


def _data_row(arms: Sequence[Arm], condition: Condition) -> tuple[str, ...]:
    members = [arm for arm in arms if arm.condition == condition]
    rows = [record.rows for arm in members for record in arm.records.values() if record.rows]
    counts = [value_range([row[name] for row in rows if name in row]) for name in COUNTS]
    return condition.label, f"`{condition.content}`", *counts, ", ".join(map(str, members[0].expected))


def _remarks(arms: Sequence[Arm], records: Sequence[Record], missing: Sequence[str]) -> Iterable[str]:
    yield f"Versions: {_versions(records)}."
    shortened = sorted({arm.name for arm in arms if arm.shortened})
    if shortened:
        yield f"Shorter training than in the protocol: {listed(shortened)}."
    unstable = [arm.label for arm in arms if arm.unstable]
    if unstable:
        yield f"Unstable (seeds differ by more than 0.2 in AUROC): {listed(unstable)}."
    if nudged := repeatability(arms):
        yield f"{nudged}."
    if any(record.selection == "paper" for record in records):
        yield "Some cells used `selection: paper`, which selects checkpoints on OOD rows."
    degenerate: dict[str, list[str]] = {}
    for arm in arms:
        # Another version may have given the same recipe another text; the last one is used.
        texts = [record.degenerate for record in arm.records.values() if record.degenerate]
        if texts:
            degenerate.setdefault(texts[-1], []).append(arm.label)
    for reason, labels in degenerate.items():
        yield f"Degenerate: {listed(labels)}: {one_line(reason, LONGEST)}"
    yield from _grouped("Rollback", [(event, r) for r in records for event in r.events], arms)
    yield from (f"{remark}." for condition in conditions_of(arms) for remark in condition.remarks)
    if missing:
        yield f"Not run, {len(missing)} x: {'; '.join(by_recipe(missing))}."
    notes = [(note, record) for record in records for note in record.notes if not _is_known(note, record)]
    yield from _grouped("Note", notes, arms)


def _is_known(note: str, record: Record) -> bool:
    """Return whether other remarks already contain a note."""
    absent = any(name in note and reason in note for name, reason in record.absent.items())
    return absent or bool(record.degenerate and record.degenerate in note)


def _grouped(title: str, texts: Sequence[tuple[str, Record]], arms: Sequence[Arm]) -> Iterable[str]:
    """Yield one line per distinct text, with the number of cells and their methods."""
    names = {id(record): arm.name for arm in arms for record in arm.records.values()}
    for text in dict.fromkeys(text for text, _ in texts):
        members = [names[id(record)] for other, record in texts if other == text]
        yield f"{title}, {len(members)} x ({listed(members)}): {one_line(text, LONGEST)}"


def _versions(records: Sequence[Record]) -> str:
    versions: dict[str, dict[str, None]] = {}
    for record in records:
        for name, version in record.versions.items():
            versions.setdefault(name, {})[version] = None
    return ", ".join(f"{name} {' and '.join(v)}" for name, v in versions.items()) or "not recorded"
