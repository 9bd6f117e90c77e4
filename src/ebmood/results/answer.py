"""The answer of a study: the claims with their verdicts, or the scores of the methods for other data."""

import re
from collections.abc import Sequence

from ebmood.results.arms import Arm
from ebmood.results.claims.all_claims import all_claims
from ebmood.results.claims.claim import Claim
from ebmood.results.pairs import VARIANTS
from ebmood.results.tables.table import DATA, Cell, Column, Spread, Table
from ebmood.results.text import joined, marks_of_variants

_VERB = re.compile(" (rise|fall|below)$")
_MARKS = ("degenerate", "unstable")
"""Marks that a reader of a verdict must see."""


def answer_tables(arms: Sequence[Arm], rows: int | None = None) -> list[Table]:
    """Return the claims if the study has data of the paper, and the scores of the methods on other data.

    Args:
        arms: the arms of the study.
        rows: largest number of rows of all tables together; None for no limit. General claims have priority.
    """
    groups = _claim_rows(arms)
    claims = [group for group in groups if any(claim.verdicts[0] != "not run" for claim in group)]
    others = [arm for arm in arms if not arm.condition.paper]
    reserved = 0 if rows is None else min(len(others), max(rows // 3, 1))
    tables = [_claims_answer(claims, len(groups) - len(claims), rows and rows - reserved)] if claims else []
    if others:
        remaining = None if rows is None else rows - sum(len(table.rows) for table in tables)
        tables.append(_scores_answer(others, remaining))
    return tables


def _claims_answer(claims: Sequence[list[Claim]], not_run: int, rows: int | None) -> Table:
    """Return one row per claim, with the verdicts on the paper's recipe and on the corrected one.

    Args:
        claims: groups of claims that differ only in the variant.
        not_run: number of further claims that were not run.
        rows: largest number of rows, or None.
    """
    variants = [v for v in VARIANTS if any(claim.variant == v for group in claims for claim in group)] or [
        "both"
    ]
    several = len({_data(group) for group in claims}) > 1
    columns = (
        Column("claim", "claim"),
        *((DATA,) if several else ()),
        Column("poster", "poster %"),
        *(
            column
            for variant in variants
            for column in (
                Column(f"{variant}_verdict", variant if len(variants) > 1 else "verdict"),
                Column(f"{variant}_change", "change %", "change"),
            )
        ),
        Column("marks", "marks"),
    )
    selected, hidden = _limited(claims, rows)
    body = tuple(_claim_row(group, variants, several) for group in selected)
    if not any(row[-1] for row in body):
        columns, body = columns[:-1], tuple(row[:-1] for row in body)
    data = "" if several else f" on {_data(claims[0])}"
    parts = [f"{hidden} more claims"] * (hidden > 0) + [f"{not_run} claims were not run"] * (not_run > 0)
    notes = (f"{', '.join(parts)}: --full prints all tables.",) if parts else ()
    return Table("answer-claims", f"The paper's claims{data} (AUC-PR, ID positive)", columns, body, notes)


def _claim_rows(arms: Sequence[Arm]) -> list[list[Claim]]:
    """Return the claims grouped by text and data: one claim per variant."""
    groups: dict[tuple[str, str], list[Claim]] = {}
    for claim in all_claims(arms):
        groups.setdefault((claim.text, claim.data), []).append(claim)
    return list(groups.values())


def _data(group: Sequence[Claim]) -> str:
    return group[0].data.removeprefix("average (").removesuffix(")")


def _of_variant(group: Sequence[Claim], variant: str) -> Claim | None:
    return next((claim for claim in group if claim.variant in (variant, "both", "either")), None)


def _claim_row(group: Sequence[Claim], variants: Sequence[str], several: bool) -> tuple[Cell, ...]:
    first = group[0]
    number = _VERB.sub("", first.reported).replace("no number", "")
    cells: list[Cell] = [first.text, *([_data(group)] if several else []), number]
    for variant in variants:
        claim = _of_variant(group, variant)
        change = claim.effect.aupr_id if claim else None
        cells += [
            claim.verdicts[0] if claim else None,
            change if change and change.percent is not None else None,
        ]
    marks = {variant: _marks_of(_of_variant(group, variant)) for variant in variants}
    return (*cells, joined(marks_of_variants(marks)))


def _marks_of(claim: Claim | None) -> list[str]:
    marks = [mark.removeprefix("some ") for mark in claim.effect.marks] if claim else []
    return [mark for mark in marks if mark in _MARKS]


def _limited(claims: Sequence[list[Claim]], rows: int | None) -> tuple[list[list[Claim]], int]:
    """Return at most `rows` claims in order, general ones first, and how many are left out."""
    if rows is None or len(claims) <= rows:
        return list(claims), 0
    ranked = sorted(range(len(claims)), key=lambda i: not claims[i][0].general)
    selected = set(ranked[:rows])
    return [group for i, group in enumerate(claims) if i in selected], len(claims) - len(selected)


def _scores_answer(arms: Sequence[Arm], rows: int | None) -> Table:
    """Return AUROC on natural and non-natural sets for each arm."""
    columns = (
        DATA,
        Column("method", "method"),
        Column("natural", "AUROC natural", "spread"),
        Column("nonnatural", "AUROC non-natural", "spread"),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    selected = list(arms) if rows is None else list(arms)[:rows]
    hidden = len(arms) - len(selected)
    notes = (f"{hidden} more rows: --full prints all tables.",) if hidden else ()
    return Table("answer-scores", "Scores of the methods", columns, tuple(map(_score_row, selected)), notes)


def _score_row(arm: Arm) -> tuple[Cell, ...]:
    missing = None if arm.done else "failed"
    spreads = (Spread.of_metric(arm.values(kind, "auroc")) or missing for kind in ("natural", "non-natural"))
    return (arm.condition.label, arm.label, *spreads, len(arm.done), joined(arm.flags))
