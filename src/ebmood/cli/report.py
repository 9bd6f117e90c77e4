"""`ebmood report`: write a page about a detector or a study as one HTML file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.classifier_files import Module, NetworkFiles, Onnx, Weights
from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import print_files, print_message
from ebmood.cli.options import Drop, SkipCorrupt
from ebmood.cli.saved_classifier import (
    is_classifier,
    load_detector,
    open_new_rows,
    refuse_network,
    refuse_table_options,
)
from ebmood.core.errors import EbmoodError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ebmood.classifiers import ClassifierDetector
    from ebmood.classifiers.classifier_rows import ClassifierRows
    from ebmood.detector.io.open_input import InputStream
    from ebmood.report.classifier_page import ScoredInputs
    from ebmood.report.page import Page

EPILOG = """Examples

    ebmood report model -o report.html

    ebmood report model --in normal-test.csv --out faults.csv -o report.html

    ebmood report model photos -o photos.html

    ebmood report watch --in test.npz --module shop.networks:classifier -o watch.html     of fit-classifier

    ebmood report ebmood-quick -o study.html

The file contains everything that it shows, and no script. It needs no network connection."""


def report(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL|STUDY", help="Folder of a fitted detector, or of a study.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")] = Path(
        "report.html"
    ),
    inside: Annotated[
        Path | None,
        typer.Option(
            "--in",
            metavar="TEST",
            help="Normal rows or images that are not training rows.",
            show_default=False,
        ),
    ] = None,
    outside: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            metavar="OOD...",
            help="Out-of-distribution rows or images: one or more tables or folders.",
            show_default=False,
        ),
    ] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[OOD]...", hidden=True)] = None,
    drop: Drop = None,
    embed: EmbedAgain = None,
    skip_corrupt: SkipCorrupt = False,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
) -> None:
    """Write an HTML page about a detector or a study.

    For a detector it shows the training data, the false-alarm rate and the
    self-test. With test rows it also shows how well the detector separates
    them, its actual false alarms, and the most anomalous rows with the
    features that explain them. For a detector of `fit --where`, it shows
    the strangest images with maps of what is wrong in them, and the nearest
    training images. For a detector of a classifier, it also shows the
    predicted classes. For a study it shows tables and figures.
    """
    from ebmood.detector.persistence.detector_files import JSON_NAME
    from ebmood.study.runner import RECORDS

    check_page(out)
    others = [*(outside or ()), *(more or ())]
    if is_classifier(target):
        refuse_table_options({"--drop": drop, "--embed": embed})
        page = classifier_page_of(
            target, inside, others, NetworkFiles(module, weights, onnx), skip_corrupt, print_files
        )
        write_page(out, page)
        return
    refuse_network(target, module, weights, onnx)
    if (target / JSON_NAME).is_file():
        page = detector_page_of(
            target, inside, others, drop or (), skip_corrupt, allow_import(embed), print_files
        )
    elif (target / RECORDS).is_file():
        if inside or others:
            raise EbmoodError(f"{target}: is a study; --in and --out apply only to detectors")
        page = _study_page_of(target)
    else:
        raise EbmoodError(
            f"{target}: neither a detector nor a study (it contains neither {JSON_NAME} nor {RECORDS}); give a folder "
            "that `ebmood fit` or `ebmood study` wrote"
        )
    write_page(out, page)


def refuse_folder(out: Path) -> None:
    """Check the output file before any work is done.

    Raises:
        EbmoodError: `out` is a folder.
    """
    if out.is_dir():
        raise EbmoodError(f"{out}: is a folder; give a file to write, such as {out / 'report.html'}")


def check_page(out: Path) -> None:
    """Check the file of a page before any work is done.

    Raises:
        EbmoodError: `out` is a folder, or its suffix is that of another kind of file.
    """
    refuse_folder(out)
    if out.suffix.lower() not in ("", ".html", ".htm"):
        raise EbmoodError(f"{out}: the page is HTML; call it {out.with_suffix('.html').name}")


def write_page(out: Path, page: "Page") -> None:
    """Write a page, and print a message.

    Raises:
        EbmoodError: the file cannot be written.
    """
    from ebmood.core.files import write_text

    write_text(out, page.html())
    print_message(f"{out}: written; open it in a browser")


def detector_page_of(
    folder: Path,
    inside: Path | None,
    outside: Sequence[Path],
    drop: Sequence[str] = (),
    skip_corrupt: bool = False,
    embed: str | None = None,
    after: "Callable[[InputStream], None]" = lambda source: None,
) -> "Page":
    """Return the page of a saved detector, with or without test rows.

    Args:
        folder: the folder of the detector.
        inside: a table or folder of normal rows or images.
        outside: tables or folders of out-of-distribution rows or images.
        drop: columns of the tables that were not in the training data.
        skip_corrupt: whether damaged images are skipped.
        embed: where the embedder of the fit is now; None if it is where it was.
        after: called with each input after it was read.

    Raises:
        EbmoodError: the detector or the rows cannot be used.
    """
    from ebmood.detector.io.image_stream import ImageStream
    from ebmood.detector.io.open_input import open_input
    from ebmood.detector.persistence.detector_files import is_patch_detector, read_detector
    from ebmood.detector.persistence.load import load
    from ebmood.detector.raw.saved_detector import load_saved_detector, read_all_rows
    from ebmood.report.detector_page import EvaluationSet, detector_page

    title = f"Detector {folder.resolve().name}"
    if is_patch_detector(folder):
        return _patch_page_of(folder, title, inside, outside, skip_corrupt, embed, after)
    metadata, _ = read_detector(folder)
    if inside is None and not outside:
        return detector_page(load(folder, embed=embed), title, versions=metadata.versions)
    detector = load_saved_detector(folder, embed=embed)

    def read(path: Path) -> EvaluationSet:
        source = open_input(path, skip_corrupt)
        rows, files = read_all_rows(detector, source, drop)
        after(source)
        return EvaluationSet(rows, files, Path(source.source) if isinstance(source, ImageStream) else None)

    return detector_page(
        detector.estimator,
        title,
        None if inside is None else read(inside),
        {name: read(path) for name, path in zip(_distinct_names(outside), outside, strict=True)},
        metadata.versions,
    )


def _patch_page_of(
    folder: Path,
    title: str,
    inside: Path | None,
    outside: Sequence[Path],
    skip_corrupt: bool,
    embed: str | None,
    after: "Callable[[InputStream], None]",
) -> "Page":
    from ebmood.cli.progress_bar import progress_bar
    from ebmood.detector.io.image_stream import ImageStream
    from ebmood.detector.io.open_input import open_input
    from ebmood.detector.patches.patch_files import load_patch_detector, read_patch_metadata
    from ebmood.report.patch_page import patch_page

    def read(path: Path) -> ImageStream:
        source = open_input(path, skip_corrupt)
        if not isinstance(source, ImageStream):
            raise EbmoodError(
                f"{path}: a table, but the detector was fitted on images; give a folder of images"
            )
        return source

    with progress_bar("scoring") as progress:
        normal = None if inside is None else read(inside)
        others = {name: read(path) for name, path in zip(_distinct_names(outside), outside, strict=True)}
        page = patch_page(
            load_patch_detector(folder, embed=embed),
            title,
            normal,
            others,
            read_patch_metadata(folder).versions,
            progress,
        )
    for source in filter(None, (normal, *others.values())):
        after(source)
    return page


def classifier_page_of(
    folder: Path,
    inside: Path | None,
    outside: Sequence[Path],
    network: NetworkFiles,
    skip_corrupt: bool = False,
    after: "Callable[[ClassifierRows], None]" = lambda source: None,
) -> "Page":
    """Return the page of a saved detector of a classifier, with or without test inputs.

    Args:
        folder: the folder of the detector.
        inside: a file or folder of normal inputs.
        outside: files or folders of other inputs.
        network: the options that name the network.
        skip_corrupt: whether damaged images are skipped.
        after: called with each input after it was read.

    Raises:
        EbmoodError: the detector, its network or the inputs cannot be used.
    """
    from ebmood.cli.progress_bar import progress_bar

    with progress_bar("scoring") as progress:
        from ebmood.report.classifier_page import score_inputs

        detector = load_detector(folder, network.module, network.weights, network.onnx, "cpu")

        def read(path: Path) -> "ScoredInputs":
            source = open_new_rows(detector, folder, path, skip_corrupt)
            scored = score_inputs(detector, source, progress)
            after(source)
            return scored

        normal = None if inside is None else read(inside)
        return page_of_classifier(folder, detector, normal, outside, [read(path) for path in outside])


def page_of_classifier(
    folder: Path,
    detector: "ClassifierDetector",
    normal: "ScoredInputs | None",
    outside: Sequence[Path],
    others: "Sequence[ScoredInputs]",
) -> "Page":
    """Return the page of a detector of a classifier with inputs that are scored already.

    Args:
        folder: the folder of the detector.
        detector: the detector.
        normal: the results of normal inputs, or None.
        outside: files or folders of other inputs.
        others: their results.
    """
    from ebmood.classifiers.saved_classifier import load_classifier
    from ebmood.detector.raw.items import IMAGES, ROWS
    from ebmood.report.classifier_page import classifier_page

    return classifier_page(
        detector,
        IMAGES if detector.notes_.get("image") else ROWS,
        f"Detector {folder.resolve().name}",
        normal,
        dict(zip(_distinct_names(outside), others, strict=True)),
        load_classifier(folder)[0].versions,
    )


def labelled_page_of(
    folder: Path, table: Path, is_outlier: "NDArray[np.bool_]", drop: Sequence[str] = ()
) -> "Page":
    """Return the page of a saved detector with the rows of one table, some of which are outliers.

    Args:
        folder: the folder of the detector.
        table: the table.
        is_outlier: `(N,)`.
        drop: columns of the table that were not in the training data, and the column of labels.

    Raises:
        EbmoodError: the detector or the rows cannot be used.
    """
    import numpy as np
    import pyarrow

    from ebmood.detector.io.open_input import STANDARD, open_input
    from ebmood.detector.persistence.detector_files import read_detector
    from ebmood.detector.raw.saved_detector import load_saved_detector, read_all_rows
    from ebmood.report.detector_page import EvaluationSet, detector_page

    if str(table) == STANDARD:
        raise EbmoodError("--page: reads the table a second time; give a file, not standard input")
    detector, (metadata, _) = load_saved_detector(folder), read_detector(folder)
    rows, _ = read_all_rows(detector, open_input(table), drop)

    def choose(mask: "NDArray[np.bool_]") -> EvaluationSet:
        chosen = rows[mask] if isinstance(rows, np.ndarray) else rows.filter(pyarrow.array(mask))
        return EvaluationSet(chosen, tuple(f"row {row + 1}" for row in np.flatnonzero(mask)))

    title = f"Detector {folder.resolve().name}"
    outside = {f"{table.stem}, outliers": choose(is_outlier)}
    return detector_page(detector.estimator, title, choose(~is_outlier), outside, metadata.versions)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the stem of each path, or the whole path if two have the same stem."""
    stems = [path.stem for path in paths]
    return [stem if stems.count(stem) == 1 else str(path) for stem, path in zip(stems, paths, strict=True)]


def _study_page_of(folder: Path) -> "Page":
    from ebmood.report.study_page import study_page
    from ebmood.study.runner import read_study

    plan, records = read_study(folder)
    return study_page(plan.title, records, plan)
