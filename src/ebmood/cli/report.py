"""`ebmood report`: a detector or a study as one HTML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ebmood.cli.options import Drop, tell
from ebmood.core.errors import EbmoodError

if TYPE_CHECKING:
    from ebmood.detector.saved_detector import SavedDetector
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
        typer.Option(
            "--in", metavar="TEST", help="Ordinary rows or images, not those of the fit.", show_default=False
        ),
    ] = None,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            metavar="OOD...",
            help="Out-of-distribution rows or images: one table or folder, or more.",
            show_default=False,
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
    from ebmood.detector.persistence.detector_files import JSON_NAME
    from ebmood.study.runner import RECORDS

    refuse_folder(out)
    others = [*(outside or ()), *(more or ())]
    if (target / JSON_NAME).is_file():
        page = of_model(target, inside, others, drop or ())
    elif (target / RECORDS).is_file():
        if inside or others:
            raise EbmoodError(f"{target}: is a study; --in and --out are for detectors")
        page = _of_study(target)
    else:
        raise EbmoodError(
            f"{target}: neither a detector nor a study ({JSON_NAME} or {RECORDS} would be in it); give a folder that "
            "`ebmood fit` or `ebmood study` wrote"
        )
    write_page(out, page)


def refuse_folder(out: Path) -> None:
    """A page is a file; said before there is work to lose.

    Raises:
        EbmoodError: `out` is a folder.
    """
    if out.is_dir():
        raise EbmoodError(f"{out}: is a folder; name a file to write, as {out / 'report.html'}")


def write_page(out: Path, page: "Page") -> None:
    """Write a page, and say so.

    Raises:
        EbmoodError: it cannot be written.
    """
    from ebmood.core.files import write_text

    write_text(out, page.html())
    tell(f"{out}: written; open it in a browser")


def _of_study(folder: Path) -> "Page":
    from ebmood.report.study import study_page
    from ebmood.study.runner import read_study

    plan, records = read_study(folder)
    return study_page(plan.title, records, plan)


def of_model(
    folder: Path,
    inside: Path | None,
    outside: Sequence[Path],
    drop: Sequence[str] = (),
    skip_corrupt: bool = False,
) -> "Page":
    """The page of a saved detector, with test rows or without.

    Raises:
        EbmoodError: detector or rows cannot be used.
    """
    from ebmood.detector.persistence.detector_files import read_record
    from ebmood.detector.persistence.load import load
    from ebmood.detector.saved_detector import load_detector
    from ebmood.report.detector_page import ORDINARY, model_page

    record, _ = read_record(folder)
    title = f"Detector {folder.resolve().name}"
    if inside is None and not outside:
        return model_page(load(folder), title, versions=record.versions)
    detector = load_detector(folder)
    stems = [path.stem for path in outside]
    names = [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, outside, strict=True)]
    tables = {} if inside is None else {ORDINARY: inside}
    tables |= dict(zip(names, outside, strict=True))
    read = {name: _rows(detector, path, drop, skip_corrupt) for name, path in tables.items()}
    return model_page(
        detector.detector,
        title,
        None if inside is None else read[ORDINARY][0],
        {name: read[name][0] for name in names},
        record.versions,
        {name: files for name, (_, files) in read.items() if files},
    )


def _rows(
    detector: "SavedDetector", path: Path, drop: Sequence[str], skip_corrupt: bool
) -> tuple[Any, Sequence[str]]:
    """Rows or images as the detector takes them, in memory: a page shows some of them. And the images' names."""
    import numpy as np
    import pyarrow

    from ebmood.detector.image_detector import ImageDetector, ImageFolder
    from ebmood.detector.preparation import Preparation, named
    from ebmood.detector.saved_detector import open_source, refuse_other_kind

    source = open_source(path, skip_corrupt)
    refuse_other_kind(detector, source, drop)
    if isinstance(detector, ImageDetector) or isinstance(source, ImageFolder):
        assert isinstance(detector, ImageDetector)
        assert isinstance(source, ImageFolder)
        pieces = list(source.pieces(detector.shape.channels, detector.shape.size))
        names = tuple(name for piece in pieces for name in piece[0])
        return np.concatenate([pixels for _, pixels, _ in pieces]), names
    dropped = named(drop, source.names, source.where, "--drop")
    columns = tuple(name for name in source.names if name not in dropped)
    preparation = detector.preparation or Preparation(columns=columns)
    preparation.check_columns(source.where, source.names, dropped)
    x = np.concatenate(
        [preparation.apply(preparation.read(piece)) for piece in source.pieces(preparation.columns)]
    )
    return pyarrow.table(dict(zip(preparation.features, x.T, strict=True))), ()
