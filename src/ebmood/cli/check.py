"""`ebmood check`: show what the columns of a table hold, and what a fit would do with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.column_lists import column_ranges, join_columns
from ebmood.cli.embed_options import Text
from ebmood.cli.messages import interrupted, print_json, print_message
from ebmood.cli.options import Category, Date, Drop, Json, Missing, Number
from ebmood.cli.progress_bar import progress_bar
from ebmood.core.words import noun

if TYPE_CHECKING:
    from ebmood.detector.preparation import LeftOut, Preparation
    from ebmood.detector.preparation.choices import Choices
    from ebmood.detector.preparation.decision import Decision
    from ebmood.detector.preparation.training_table import Profile
    from ebmood.results.tables.table import Table

EPILOG = """Examples

    ebmood check flights.csv

    ebmood check flights.csv --category flight --drop dep_time --json

    ebmood check features.npy

The options are those of `ebmood fit`. Exit codes: 0 a fit can read the table, 2 it cannot, 130 interrupted."""


LISTED_COLUMNS = 5
"""Columns of an array, or ranges of them, that are named in one line."""

LISTED_PROBLEMS = 20
"""Problems that are listed one by one."""

LISTED_LEFT_OUT = 40
"""Columns, or ranges of them, that a fit lists as left out."""


def check(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A table (.csv, .tsv, .parquet, .jsonl, .xlsx, also .gz or .zst), an array (.npy, .npz), a folder of "
            "Parquet files, or - for CSV on standard input.",
            show_default=False,
        ),
    ],
    label_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with the class of each row. Not a feature.")
    ] = None,
    drop: Drop = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    missing: Missing = None,
    text: Text = None,
    json: Json = False,
) -> None:
    """Show what each column of a table holds, what a fit does with it, and why. Nothing is fitted."""
    try:
        with progress_bar("reading") as progress:
            from ebmood.detector.io.open_input import open_table
            from ebmood.detector.preparation.category_rules import FREE_TEXT
            from ebmood.detector.preparation.training_table import read_profile

            choices = column_choices(drop, category, number, date, missing, label_column, text)
            profile = read_profile(open_table(table), choices, progress)
    except KeyboardInterrupt:
        raise interrupted("nothing was written") from None
    problems = profile.problems()
    if json:
        print_json(_content(profile, problems))
    else:
        from ebmood.cli.terminal_tables import output_console, print_table

        print_table(output_console(), _table(profile))
        for problem in problems[:LISTED_PROBLEMS]:
            print_message(problem)
        if len(problems) > LISTED_PROBLEMS:
            more = len(problems) - LISTED_PROBLEMS
            print_message(f"{more} more such {noun(more, 'line')}; --json has all")
        prose = [decision.column.name for decision in profile.decisions if decision.kind == FREE_TEXT]
        if prose:
            print_message(f"free text: {', '.join(prose)}; --text '{prose[0]}' reads it by its word vectors")
        if not problems:
            print_message(f"A fit can read this table. Next: ebmood fit {table} -o MODEL")
    if problems:
        raise typer.Exit(2)


def column_choices(
    drop: list[str] | None,
    category: list[str] | None,
    number: list[str] | None,
    date: list[str] | None,
    missing: list[str] | None,
    label_column: str | None,
    text: list[str] | None = None,
) -> "Choices":
    """Return what the options say about the columns of a table."""
    from ebmood.detector.preparation.choices import Choices

    return Choices(
        drop=drop or (),
        categories=category or (),
        numbers=number or (),
        dates=date or (),
        missing=missing or (),
        label_column=label_column,
        texts=text or (),
    )


def describe_preparation(preparation: "Preparation") -> list[str]:
    """Return in lines for people what is read of the columns of a table, and what is not."""
    from ebmood.detector.preparation import CategoryColumn, DateColumn, EmbeddedColumn, VectorColumn

    columns = preparation.columns
    categories = [column.name for column in columns if isinstance(column, CategoryColumn)]
    dates = [
        f"{column.name} ({', '.join(column.cycles)})" for column in columns if isinstance(column, DateColumn)
    ]
    texts = [
        f"{column.name} ({column.embedder.dimension} features of {column.embedder.name})"
        for column in columns
        if isinstance(column, EmbeddedColumn)
    ]
    lists = [
        f"{column.name} ({len(column.features)} numbers)"
        for column in columns
        if isinstance(column, VectorColumn)
    ]
    growing = [column.name for column in columns if getattr(column, "grew_to", None) is not None]
    left_out = describe_left_out(preparation.left_out)
    lines = [
        ("categories", categories),
        ("cycles of dates", dates),
        ("texts", texts),
        ("lists", lists),
        ("only grow, so that later rows lie beyond the fit", growing),
        ("left out", left_out),
    ]
    return [f"{title}: {', '.join(names)}" for title, names in lines if names]


def describe_left_out(columns: "Sequence[LeftOut]") -> list[str]:
    """Return each column that is not read, or range of columns, with its reason. Of very many, the first are listed."""
    groups: list[tuple[str, list[str]]] = []
    for column in columns:
        if not groups or groups[-1][0] != column.reason:
            groups.append((column.reason, []))
        groups[-1][1].append(column.name or repr(""))
    texts = [f"{name} ({reason})" for reason, names in groups for name in column_ranges(names)]
    if len(texts) > LISTED_LEFT_OUT:
        hidden = len(texts) - LISTED_LEFT_OUT
        return [*texts[:LISTED_LEFT_OUT], f"and {hidden} more; ebmood inspect --json lists all"]
    return texts


def _content(profile: "Profile", problems: list[str]) -> dict:
    return {
        "table": profile.source,
        "rows": profile.rows,
        "rows_used": len(profile.row_numbers),
        "columns": [
            {
                "column": decision.column.name,
                "kind": decision.kind,
                "treatment": decision.treatment,
                "reason": decision.reason,
                "odd_cells": len(decision.problems),
            }
            for decision in profile.decisions
        ],
        "dropped": list(profile.dropped),
        "problems": problems,
    }


def _groups(profile: "Profile") -> "list[list[Decision]]":
    """Return the decisions that are shown in one line. Those about columns of an array are alike."""
    if not profile.are_numbers:
        return [[decision] for decision in profile.decisions]
    groups: dict[tuple[str, str, str, bool], list[Decision]] = {}
    for decision in profile.decisions:
        key = (decision.kind, decision.treatment, decision.reason, bool(decision.problems))
        groups.setdefault(key, []).append(decision)
    return list(groups.values())


def _row(decisions: "Sequence[Decision]") -> tuple[str, str, str, str]:
    """Return the line about columns that are decided alike."""
    from ebmood.detector.preparation import VectorColumn

    first, count = decisions[0], len(decisions)
    name = join_columns([decision.column.name for decision in decisions], LISTED_COLUMNS)
    if isinstance(first.column, VectorColumn):
        name = f"{name}[0..{first.column.length - 1}]"
    treatment = "nothing" if first.treatment == "left out" else first.treatment
    odd = sum(len(decision.problems) for decision in decisions)
    return (
        name,
        first.kind,
        f"{count} numbers" if treatment == "number" and count > 1 else treatment,
        f"{odd} odd {noun(odd, 'cell')}" if odd else first.reason,
    )


def _table(profile: "Profile") -> "Table":
    from ebmood.detector.preparation.decision import BY_OPTION
    from ebmood.detector.preparation.training_table import HOLDS_CLASSES
    from ebmood.results.tables.table import Column, Table

    columns = (
        Column("column", "column"),
        Column("kind", "holds"),
        Column("use", "the fit reads"),
        Column("why", "because"),
    )
    rows = [_row(decisions) for decisions in _groups(profile)]
    dropped = (
        [join_columns(profile.dropped, LISTED_COLUMNS)]
        if profile.are_numbers and profile.dropped
        else profile.dropped
    )
    rows += [(name, "", "nothing", HOLDS_CLASSES if name == profile.label else BY_OPTION) for name in dropped]
    sample = len(profile.row_numbers)
    of_sample = f", of which a random sample of {sample} is used" if sample < profile.rows else ""
    return Table(
        "check",
        f"{profile.source}: {profile.rows} {noun(profile.rows, 'row')}{of_sample}",
        columns,
        tuple(rows),
        (),
    )
