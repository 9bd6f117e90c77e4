"""`ebmood score` with a detector of a classifier."""

import time
from pathlib import Path

from ebmood.cli.messages import interrupted, print_files, print_json, print_message
from ebmood.cli.options import use_threads
from ebmood.cli.progress_bar import progress_bar
from ebmood.cli.saved_classifier import load_detector, open_new_rows, score_rows


def run(
    model: Path,
    rows: Path,
    out: Path,
    *,
    module: str | None,
    weights: Path | None,
    onnx: Path | None,
    alpha: float | None,
    device: str,
    threads: int | None,
    skip_corrupt: bool,
    mark_bad_rows: bool,
    max_bad: float,
    json: bool,
) -> None:
    """Score an `.npz` file or a folder of images.

    Args:
        model: folder of the detector.
        rows: the rows.
        out: file of the scores.
        module: import path of the network.
        weights: file of its weights.
        onnx: an ONNX graph, in place of both.
        alpha: level of the flags; None for that of the fit.
        device: where the network computes.
        threads: number of threads.
        skip_corrupt: whether damaged images are skipped.
        mark_bad_rows: whether rows with NaN or infinity are marked.
        max_bad: largest fraction of rows that are marked.
        json: whether the result is printed as JSON.

    Raises:
        EbmoodError: the network is not that of the fit, or the rows cannot be used.
    """
    start = time.monotonic()
    try:
        with progress_bar("scoring") as progress:
            from ebmood.detector.io.score_writer import open_score_writer
            from ebmood.detector.raw.batch_notes import BatchNotes
            from ebmood.detector.raw.score_options import ScoreOptions

            use_threads(threads)
            options, notes = ScoreOptions(mark_bad_rows, max_bad), BatchNotes()
            detector = load_detector(model, module, weights, onnx, device)
            if alpha is not None:
                detector.set_alpha(alpha)
            source = open_new_rows(detector, model, rows, skip_corrupt)
            with open_score_writer(out) as write:
                for batch in score_rows(detector, source, options, notes):
                    write(batch)
                    progress("scoring", notes.rows / len(source))
                notes.check_bad_rows(source.source, max_bad)
    except KeyboardInterrupt:
        raise interrupted(f"nothing was written to {out}") from None
    seconds = time.monotonic() - start
    count, flagged, items = notes.rows, notes.flagged, source.items.many
    if json:
        result = {
            "out": str(out),
            "rows": count,
            "flagged": flagged,
            "alpha": detector.alpha,
            "skipped": list(source.skipped),
            "others": list(source.others),
            "bad_rows": notes.bad_rows,
        }
        print_json(result | {"seconds": round(seconds, 3)})
        return
    print_files(source)
    print_message(
        f"{out}: {count} {items}, {flagged} flagged ({flagged / max(1, count):.1%}; expected for {items} like those of "
        f"the fit: {detector.false_alarm_rate_:.1%}), in {seconds:.0f} s"
    )
    for line in notes.lines(detector.false_alarm_rate_):
        print_message(line)
