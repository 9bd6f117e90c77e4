"""Conditions: the data sets of a study, with everything that a reader of their numbers must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ebmood.results import poster
from ebmood.results.text import unique_marks
from ebmood.study.records import Record

Sets = Literal["natural", "non-natural", "low-level", "all"]
"""Kinds of out-of-distribution sets; `all` means natural and non-natural ones."""

DataKey = tuple[str, str, str]
"""Name, digest of the content, and treatment of duplicates: they identify a condition."""


@dataclass(frozen=True)
class Condition:
    """One data set under one way of splitting it. Cells of different conditions are never compared.

    Attributes:
        dataset: name of the data set.
        content: digest of its content.
        duplicates: `together` or `across`.
        label: name in tables, unique in a study.
        paper: the key of `poster.DATASETS` that it is, or is a reduced version of; None for other data.
        small: whether it is a reduced version of a set of the paper; verdicts on it are `small`.
        images: whether its rows are images.
        absent: missing natural OOD sets, with the reason.
        stand_ins: natural OOD sets that replace those of the paper.
    """

    dataset: str
    content: str
    duplicates: str
    label: str = field(compare=False)
    paper: str | None = field(compare=False)
    small: bool = field(compare=False)
    images: bool = field(compare=False)
    absent: Mapping[str, str] = field(compare=False)
    stand_ins: tuple[str, ...] = field(compare=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences (without full stop) about reduced data, stand-ins and missing sets."""
        original = poster.DATASETS[self.paper] if self.paper else "a data set of the paper"
        small = f"{self.label} is a reduced version of {original}: every verdict on it is `small`"
        stand_ins = f"Stand-ins for natural sets of the paper on {self.label}: {', '.join(self.stand_ins)}"
        return unique_marks(
            small if self.small else "",
            stand_ins if self.stand_ins else "",
            [f"Absent on {self.label}: {name} ({reason})" for name, reason in self.absent.items()],
        )

    def flags(self, sets: Sets = "all") -> tuple[str, ...]:
        """Return the marks of the data for numbers on the sets of one kind, or on all."""
        natural = sets in ("natural", "all")
        return unique_marks(
            "small" if self.small else "",
            "stand-ins" if self.stand_ins and natural else "",
            f"absent: {', '.join(self.absent)}" if self.absent and natural else "",
        )


def data_key(record: Record) -> DataKey:
    """Return the key of the condition of a record."""
    return record.dataset, record.dataset_digest, record.duplicates


def conditions_by_data(records: Sequence[Record]) -> dict[DataKey, Condition]:
    """Return the condition of each data set, by `data_key` of its records."""
    groups: dict[DataKey, list[Record]] = {}
    for record in records:
        groups.setdefault(data_key(record), []).append(record)
    return {key: _condition(key, members, groups) for key, members in groups.items()}


def _condition(key: DataKey, records: Sequence[Record], groups: Mapping[DataKey, object]) -> Condition:
    name, content, duplicates = key
    small = any(record.small for record in records)
    paper = poster.paper_set(name, small)
    low_level = any(result.kind == "low-level" for record in records for result in record.results)
    return Condition(
        dataset=name,
        content=content,
        duplicates=duplicates,
        label=_label(key, groups),
        paper=paper,
        small=small,
        images=low_level or paper in poster.IMAGES,
        absent={absent: reason for record in records for absent, reason in record.absent.items()},
        stand_ins=tuple(dict.fromkeys(name for record in records for name in record.stand_ins)),
    )


def _label(key: DataKey, groups: Mapping[DataKey, object]) -> str:
    """Return the name, with the treatment of duplicates and the content where they are needed to tell sets apart."""
    name, content, duplicates = key
    same_name = [other for other in groups if (other[0], other[2]) == (name, duplicates)]
    remarks = [
        *(["duplicates across"] if duplicates == "across" else []),
        *([f"content {content[:6]}"] if len(same_name) > 1 else []),
    ]
    return f"{name} ({', '.join(remarks)})" if remarks else name
