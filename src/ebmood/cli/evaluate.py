"""`ebmood evaluate`: measure a detector on rows that are known to be normal or out-of-distribution."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.classifier_files import Module, NetworkFiles, Onnx, Weights
from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import interrupted, print_files, print_json, print_message
from ebmood.cli.options import Device, Drop, Json, Model, SkipCorrupt
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.report import (
    check_page,
    detector_page_of,
    labelled_page_of,
    page_of_classifier,
    write_page,
)
from ebmood.cli.saved_classifier import (
    is_classifier,
    load_detector,
    open_new_rows,
    refuse_network,
    refuse_table_options,
)
from ebmood.core.words import printable

if TYPE_CHECKING:
    from ebmood.classifiers.classifier_rows import ClassifierRows
    from ebmood.detector import EnergyDetector
    from ebmood.detector.calibrated import Calibrated
    from ebmood.detector.io.open_input import InputStream
    from ebmood.detector.progress_callback import ProgressCallback
    from ebmood.detector.raw.items import Items
    from ebmood.detector.score_batch import ScoreBatch
    from ebmood.results.tables.table import Table

EPILOG = """Examples

    ebmood evaluate model --in normal-test.csv --out faults.csv

    ebmood evaluate model --in normal.parquet --out leaks.csv cracks.csv --json

    ebmood evaluate model --in normal-test.csv --out faults.csv --page report.html

    ebmood evaluate model --in photos --out blurred paintings

    ebmood evaluate model labelled.csv --label-column outlier

    ebmood evaluate model labelled.csv --label-column state --outlier leak --outlier crack

    ebmood evaluate watch --in test.npz --out other.npz --module shop.networks:classifier     of fit-classifier

Labels may be 1 and 0, true and false, yes and no, -1 and 1, or words such as outlier, anomaly, normal and
inlier. For others, name those of outliers with --outlier.

The normal rows must not be training rows. Exit codes: 0 success, 2 invalid input, 130 interrupted."""


def evaluate(
    model: Model,
    more: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="TABLE",
            help="With --label-column: a table of normal rows and outliers.",
            show_default=False,
        ),
    ] = None,
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
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that says which rows of TABLE are outliers.", show_default=False
        ),
    ] = None,
    outlier: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="A label of outliers; all other labels are normal. May be repeated.",
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write an HTML page with curves and the most anomalous rows.",
            show_default=False,
        ),
    ] = None,
    drop: Drop = None,
    embed: EmbedAgain = None,
    skip_corrupt: SkipCorrupt = False,
    module: Module = None,
    weights: Weights = None,
    onnx: Onnx = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Measure how well a detector separates normal rows from others, and its false alarms.

    AUROC: probability that a normal row scores higher than another row.
    AUC-PR: average precision, with normal or with other rows as positives.
    FPR95: fraction of other rows at or above the score that 95 % of normal
    rows reach.
    Flagged: fraction of rows below the threshold of the detector; for
    normal rows this is the false-alarm rate.
    """
    tables = _tables(inside, outside, more, label_column, outlier)
    try:
        with progress_bar("scoring") as progress:
            import numpy as np

            from ebmood.core.metrics import separation
            from ebmood.detector import EnergyDetector

            if page is not None:
                check_page(page)
            if is_classifier(model):
                refuse_table_options({"--label-column": label_column, "--drop": drop, "--embed": embed})
                network = NetworkFiles(module, weights, onnx)
                measured = _measure_classifier(model, tables, network, page, skip_corrupt, device, progress)
            else:
                refuse_network(model, module, weights, onnx)
                labels = None if label_column is None else _Labels(label_column, outlier or ())
                measured = _measure(
                    model,
                    tables,
                    labels,
                    page,
                    drop or (),
                    allow_import(embed),
                    skip_corrupt,
                    device,
                    progress,
                )
    except KeyboardInterrupt:
        raise interrupted("nothing was measured") from None
    estimator, sources, batches = measured.estimator, measured.sources, measured.batches
    scores = [np.concatenate([batch.scores for batch in parts]) for parts in batches]
    flags = [np.concatenate([batch.flags for batch in parts]) for parts in batches]
    results = [
        {"table": name, "rows": len(flag), "flagged": float(flag.mean())}
        for name, flag in zip(_names(tables, label_column), flags, strict=True)
    ]
    for result, others in zip(results[1:], scores[1:], strict=True):
        result |= asdict(separation(scores[0], others))
    if isinstance(estimator, EnergyDetector) and estimator.segments_:
        for result, parts in zip(results, batches, strict=True):
            result["segments"] = flagged_by_segment(estimator, parts)
    folders = [source for source in sources if hasattr(source, "skipped")]
    skipped, others = (
        {source.source: list(getattr(source, name)) for source in folders} for name in ("skipped", "others")
    )
    if json:
        files = {"skipped": skipped, "others": others} if skipped else {}
        expected = {"alpha": estimator.alpha, "false_alarm_rate": estimator.false_alarm_rate_}
        content = {"model": str(model), **expected, "in": results[0], "out": results[1:]}
        print_json(content | files | {"notes": list(measured.notes)})
        return
    for source in sources:
        print_files(source)
    from ebmood.cli.terminal_tables import output_console, print_table

    console = output_console()
    print_table(console, _table(model, results, estimator, measured.items.many))
    for name, segment in results[0].get("segments", {}).items():
        line = f"normal rows of segment {name}: {segment['flagged']:.3f} of {segment['rows']} flagged"
        console.print(printable(line), markup=False)
    for line in measured.notes:
        print_message(f"{tables[0]}: {line}")


@dataclass(frozen=True)
class _Labels:
    """The column of labels of a table, and the labels of outliers; no labels if they are to be recognised."""

    column: str
    outliers: Sequence[str]


@dataclass(frozen=True)
class _Measured:
    """The results of test inputs: the normal ones first.

    Attributes:
        estimator: the detector.
        items: the words for what it scores.
        sources: the files and folders.
        batches: the results of each set.
        notes: what is unusual about the normal rows as a whole, one line for each kind.
    """

    estimator: "Calibrated"
    items: "Items"
    sources: "Sequence[InputStream | ClassifierRows]"
    batches: "Sequence[Sequence[ScoreBatch]]"
    notes: Sequence[str] = ()


def _measure_classifier(
    model: Path,
    files: Sequence[Path],
    network: NetworkFiles,
    page: Path | None,
    skip_corrupt: bool,
    device: str,
    progress: "ProgressCallback",
) -> _Measured:
    """Score files for a detector of a classifier, and write the page if there is one to write."""
    from ebmood.report.classifier_page import score_inputs

    detector = load_detector(model, network.module, network.weights, network.onnx, device)
    sources = [open_new_rows(detector, model, path, skip_corrupt) for path in files]
    normal, *others = [score_inputs(detector, source, progress) for source in sources]
    if page is not None:
        write_page(page, page_of_classifier(model, detector, normal, files[1:], others))
    return _Measured(detector, sources[0].items, sources, [[scored.batch] for scored in (normal, *others)])


def _measure(
    model: Path,
    tables: Sequence[Path],
    labels: _Labels | None,
    page: Path | None,
    drop: Sequence[str],
    embed: str | None,
    skip_corrupt: bool,
    device: str,
    progress: "ProgressCallback",
) -> _Measured:
    """Score tables or folders of images, and write the page if there is one to write."""
    from ebmood.detector.io.open_input import open_input
    from ebmood.detector.outlier_labels import find_outliers, read_labels, split_batches
    from ebmood.detector.raw.batch_notes import BatchNotes
    from ebmood.detector.raw.items import items_of
    from ebmood.detector.raw.saved_detector import load_any_detector, score_input

    detector = load_any_detector(model, device, embed=embed)
    sources = [open_input(table, skip_corrupt) for table in tables]
    keep = [] if labels is None else _match_label_column(sources[0], labels.column)
    notes = BatchNotes()
    batches = [
        list(score_input(detector, source, keep, drop, progress, notes=None if number else notes))
        for number, source in enumerate(sources)
    ]
    is_outlier = None
    if labels is not None:
        source = sources[0].source
        is_outlier = find_outliers(read_labels(batches[0], source), source, labels.column, labels.outliers)
        batches = split_batches(batches[0], is_outlier)
    if page is not None:
        progress("writing the page", None)
        if is_outlier is None or labels is None:
            content = detector_page_of(model, tables[0], tables[1:], drop, skip_corrupt, embed)
        else:
            content = labelled_page_of(model, tables[0], is_outlier, [*drop, labels.column])
        write_page(page, content)
    rate = detector.estimator.false_alarm_rate_
    lines = notes.lines(rate) if labels is None else notes.lines_about_training_rows()
    return _Measured(detector.estimator, items_of(detector.estimator), sources, batches, lines)


def flagged_by_segment(estimator: "EnergyDetector", batches: "Sequence[ScoreBatch]") -> dict[str, dict]:
    """Return the number of rows and the fraction of flagged rows of every segment."""
    import numpy as np

    from ebmood.detector.segments import segment_name

    column = estimator.segment_column_
    levels = None if column is None else estimator.levels_.get(column)
    segments = np.concatenate([batch.segments for batch in batches if batch.segments is not None])
    flags = np.concatenate([batch.flags for batch in batches])
    values, codes = np.unique(segments, return_inverse=True)
    return {
        segment_name(value, levels): {
            "rows": int((codes == k).sum()),
            "flagged": float(flags[codes == k].mean()),
        }
        for k, value in enumerate(values.tolist())
    }


def _tables(
    inside: Path | None,
    outside: list[Path] | None,
    more: list[Path] | None,
    label_column: str | None,
    outlier: list[str] | None,
) -> list[Path]:
    """Return the tables: one with labels, or the normal one and the others.

    Raises:
        EbmoodError: the options do not fit together.
    """
    from ebmood.core.errors import EbmoodError

    if label_column is None:
        if inside is None or not outside or outlier:
            raise EbmoodError("evaluate: give --in and --out, or one table with --label-column")
        return [inside, *outside, *(more or ())]
    if inside is not None or outside or len(more or ()) != 1:
        raise EbmoodError("--label-column: give one table after the model, without --in and --out")
    return list(more or ())


def _match_label_column(source: "InputStream", column: str) -> list[str]:
    from ebmood.core.errors import EbmoodError
    from ebmood.detector.io.column_names import match_columns
    from ebmood.detector.io.table_stream import TableStream

    if not isinstance(source, TableStream):
        raise EbmoodError(f"{source.source}: images have no column {column!r}; use --in and --out")
    columns = match_columns([column], source.names, source.source, "--label-column")
    if len(columns) > 1:
        raise EbmoodError(f"{source.source}: --label-column {column}: several columns; name one")
    return columns


def _names(tables: list[Path], label_column: str | None) -> list[str]:
    if label_column is None:
        return [str(table) for table in tables]
    return [f"{tables[0]}, normal", f"{tables[0]}, outliers"]


def _table(model: Path, results: list[dict], estimator: "Calibrated", items: str) -> "Table":
    """Return the results as a table, whose first row is for the normal rows."""
    from ebmood.results.tables.table import Column, Table

    columns = (
        Column("table", "table" if items == "rows" else "folder"),
        Column("rows", items),
        Column("flagged", "flagged", "number"),
        Column("auroc", "AUROC", "number"),
        Column("aupr_id", "AUC-PR, normal", "number"),
        Column("aupr_ood", "AUC-PR, others", "number"),
        Column("fpr95", "FPR95", "number"),
    )
    rows = tuple(tuple(result.get(column.key) for column in columns) for result in results)
    rate, normal = estimator.false_alarm_rate_, results[0]["rows"]
    calibration = len(estimator.calibration_scores_)
    # The rate of one fit is Beta distributed, and the fraction of flagged rows is binomial given that rate.
    deviation = (rate * (1 - rate) * (1 / (calibration + 2) + 1 / normal)) ** 0.5
    note = (
        f"The first line is that of the normal {items}. The expected fraction of flagged normal {items} is {rate:.3f} "
        f"on average, with a standard deviation of {deviation:.3f} for {calibration} calibration {items} and {normal} "
        f"{items} here."
    )
    return Table("evaluation", f"{model}, evaluated", columns, rows, (note,))
