"""Small functions that format text for tables, figures and reports."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence


def one_line(text: str, length: int = 120) -> str:
    """Return the first line of `text`, shortened to `length` characters.

    >>> one_line("a long reason", 9)
    'a long...'
    """
    stripped = text.strip()
    first = stripped.splitlines()[0] if stripped else ""
    return first if len(first) <= length else first[: length - 3] + "..."


def slug(label: str) -> str:
    """Return a label as a part of a file name: lower case letters, digits and hyphens.

    >>> slug("segment (duplicates across)")
    'segment-duplicates-across'
    """
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "unnamed"


def gamma_text(gamma: float | None) -> str:
    """Return a weight of the cross-entropy as text; `none` without labels."""
    return "none" if gamma is None else f"{gamma:g}"


def unique_marks(*marks: str | Iterable[str]) -> tuple[str, ...]:
    """Return all non-empty marks once, in order.

    >>> unique_marks("small", ["", "leak"], "small")
    ('small', 'leak')
    """
    flat = [text for mark in marks for text in ([mark] if isinstance(mark, str) else mark)]
    return tuple(dict.fromkeys(text for text in flat if text))


def marks_of_variants(marks: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the marks of all variants: first those that all have, then the others after the names of their variants.

    >>> marks_of_variants({"paper": ["degenerate", "small", "unstable"], "corrected": ["unstable"]})
    ('unstable', 'paper: degenerate, small')
    """
    common = set.intersection(*map(set, marks.values())) if marks else set()
    shared = (mark for names in marks.values() for mark in names if mark in common)
    specific = {variant: [mark for mark in names if mark not in common] for variant, names in marks.items()}
    return unique_marks(
        shared, (f"{variant}: {', '.join(names)}" for variant, names in specific.items() if names)
    )


def joined(marks: Sequence[str]) -> str:
    """Return marks as the text of one table cell."""
    return "; ".join(marks)


def listed(names: Iterable[str]) -> str:
    """Return distinct names as one list. Names with commas are separated by semicolons.

    >>> listed(["CD", "CD, bottleneck 0.1"])
    'CD; CD, bottleneck 0.1'
    """
    distinct = list(dict.fromkeys(names))
    return ("; " if any("," in name for name in distinct) else ", ").join(distinct)


def by_recipe(names: Iterable[str]) -> list[str]:
    """Group names of cells by recipe.

    >>> by_recipe(["moons, knn, seed 1", "moons, knn, seed 2"])
    ['moons, knn (seeds 1, 2)']
    """
    seeds: dict[str, list[str]] = {}
    for name in names:
        recipe, _, seed = name.rpartition(", seed ")
        seeds.setdefault(recipe or name, []).append(seed)
    return [
        f"{recipe} ({'seeds' if len(members) > 1 else 'seed'} {', '.join(members)})"
        for recipe, members in seeds.items()
    ]


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    >>> duration(90), duration(600), duration(9000)
    ('90 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def value_range(values: Iterable[int], separator: str = "") -> str:
    """Return the smallest and the largest value, or one of them if they are equal.

    >>> value_range([5, 3, 4]), value_range([7]), value_range([])
    ('3–5', '7', '–')
    """
    ordered = sorted(values)
    if not ordered:
        return "–"
    return "–".join(f"{value:{separator}}" for value in dict.fromkeys((ordered[0], ordered[-1])))
