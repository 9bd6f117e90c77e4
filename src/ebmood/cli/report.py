"""`ebmood report`: a detector or a study as one HTML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.options import Drop
from ebmood.errors import EbmoodError

if TYPE_CHECKING:
    import pyarrow

    from ebmood.detector.tabular import TableDetector
    from ebmood.report.page import Page

EPILOG = """[bold]Examples[/bold]

    ebmood report model -o report.html

    ebmood report model --in ordinary-test.csv --out faults.csv -o report.html

    ebmood report ebmood-quick -o study.html

The file holds everything it shows, and no script: mail it, print it, open it without a network."""


def report(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL|STUDY", help="The folder of a fitted detector, or of a study.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    inside: Annotated[
        Path | None,
        typer.Option("--in", metavar="TEST", help="Ordinary rows, not those of the fit.", show_default=False),
    ] = None,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            "--out", metavar="OOD...", help="Out-of-distribution rows: one table or more.", show_default=False
        ),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[OOD]...", hidden=True)] = None,
    drop: Drop = None,
) -> None:
    """Write a page that a person can read, of a detector or of a study.

    Of a detector: what it was fitted on, what it promises, its self-test; with
    test rows also how well it tells them apart, its actual false alarms, and the
    strangest rows with the features to blame. Of a study: tables and figures.
    """
    from ebmood.detector.record import JSON_NAME
    from ebmood.files import write_text
    from ebmood.study.runner import RECORDS

    if out.is_dir():
        raise EbmoodError(f"{out}: is a folder; name a file to write, as -o {out / 'report.html'}")
    others = [*(outside or ()), *(more or ())]
    if (target / JSON_NAME).is_file():
        page = _of_model(target, inside, others, drop or ())
    elif (target / RECORDS).is_file():
        if inside or others:
            raise EbmoodError(f"{target}: is a study; --in and --out are for detectors")
        page = _of_study(target)
    else:
        raise EbmoodError(
            f"{target}: neither a detector nor a study ({JSON_NAME} or {RECORDS} would be in it); give a folder that "
            "`ebmood fit` or `ebmood study` wrote"
        )
    write_text(out, page.html())
    typer.echo(f"{out}: written; open it in a browser", err=True)


def _of_study(folder: Path) -> "Page":
    from ebmood.report.study import study_page
    from ebmood.study.runner import read_study

    return study_page(*read_study(folder))


def _of_model(folder: Path, inside: Path | None, outside: Sequence[Path], drop: Sequence[str]) -> "Page":
    from ebmood.detector.record import read_record
    from ebmood.detector.saving import load
    from ebmood.detector.tabular import TableDetector
    from ebmood.report.model import model_page

    record, _ = read_record(folder)
    title = f"Detector {folder.resolve().name}"
    if inside is None and not outside:
        return model_page(load(folder), title, versions=record.versions)
    detector = TableDetector.load(folder)
    stems = [path.stem for path in outside]
    names = [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, outside, strict=True)]
    return model_page(
        detector.detector,
        title,
        None if inside is None else _rows(detector, inside, drop),
        {name: _rows(detector, path, drop) for name, path in zip(names, outside, strict=True)},
        record.versions,
    )


def _rows(detector: "TableDetector", path: Path, drop: Sequence[str]) -> "pyarrow.Table":
    """A table as the detector takes it, in memory: a page shows rows of it."""
    import numpy as np
    import pyarrow

    from ebmood.detector.preparation import Preparation, named
    from ebmood.detector.streaming import open_table

    table = open_table(path)
    dropped = named(drop, table.names, table.where, "--drop")
    columns = tuple(name for name in table.names if name not in dropped)
    preparation = detector.preparation or Preparation(columns=columns)
    preparation.check_columns(table.where, table.names, dropped)
    x = np.concatenate(
        [preparation.apply(preparation.read(piece)) for piece in table.pieces(preparation.columns)]
    )
    return pyarrow.table(dict(zip(preparation.features, x.T, strict=True)))
