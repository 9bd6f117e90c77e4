"""Which bodies of data there are, and what a reader of numbers on each must know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ebmood.results import poster
from ebmood.study.records import Record

Sets = Literal["natural", "non-natural", "low-level", "all"]
"""Kinds of out-of-distribution sets; `all` are the natural and the non-natural ones."""


@dataclass(frozen=True)
class Condition:
    """One body of data under one way of splitting it. Cells of different conditions are never compared.

    Attributes:
        dataset: the data set's name.
        content: digest of its content.
        duplicates: `together` or `across`.
        label: what tables call it; tells apart every condition of a study.
        paper: the key of `poster.DATASETS` that it is, or is cut from; None for other data.
        small: it is cut from the paper's set: verdicts on it read "small".
        images: whether its rows are images.
        absent: natural sets that were asked for and are not there, with the reason.
        stand_ins: natural sets that stand in for the paper's.
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
        """What is cut, standing in or absent, in sentences without their full stops."""
        whole = poster.DATASETS[self.paper] if self.paper else "one of the paper's sets"
        small = f"{self.label} is {whole}, cut: every verdict on it reads `small`"
        stand_ins = f"Stand-ins for the paper's natural sets on {self.label}: {', '.join(self.stand_ins)}"
        return mark_list(
            small if self.small else "",
            stand_ins if self.stand_ins else "",
            [f"Absent on {self.label}: {name} ({reason})" for name, reason in self.absent.items()],
        )

    def flags(self, sets: Sets = "all") -> tuple[str, ...]:
        """The marks that concern the data, for a reader of numbers on the sets of one kind (or on all)."""
        natural = sets in ("natural", "all")
        return mark_list(
            "small" if self.small else "",
            "stand-ins" if self.stand_ins and natural else "",
            f"absent: {', '.join(self.absent)}" if self.absent and natural else "",
        )


def conditions_by_data(records: Sequence[Record]) -> dict[tuple[str, str, str], Condition]:
    """The condition of each body of data, by `data_of` its records."""
    data: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        data.setdefault(data_of(record), []).append(record)
    conditions = {}
    for (name, content, duplicates), here in data.items():
        namesakes = [other for other in data if (other[0], other[2]) == (name, duplicates)]
        remarks = [
            *(["duplicates across"] if duplicates == "across" else []),
            *([f"content {content[:6]}"] if len(namesakes) > 1 else []),
        ]
        small = any(record.small for record in here)
        paper = poster.paper_set(name, small)
        low_level = any(result.kind == "low-level" for record in here for result in record.results)
        conditions[name, content, duplicates] = Condition(
            dataset=name,
            content=content,
            duplicates=duplicates,
            label=f"{name} ({', '.join(remarks)})" if remarks else name,
            paper=paper,
            small=small,
            images=low_level or paper in poster.IMAGES,
            absent={absent: reason for record in here for absent, reason in record.absent.items()},
            stand_ins=tuple(dict.fromkeys(each for record in here for each in record.stand_ins)),
        )
    return conditions


def data_of(record: Record) -> tuple[str, str, str]:
    """What tells bodies of data apart: name, content, and the way of splitting."""
    return record.dataset, record.dataset_digest, record.duplicates


def mark_list(*marks: str | Iterable[str]) -> tuple[str, ...]:
    """Marks in the order given, without repetition and without empty ones."""
    flat = [text for mark in marks for text in ([mark] if isinstance(mark, str) else mark)]
    return tuple(dict.fromkeys(text for text in flat if text))
