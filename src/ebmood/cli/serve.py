"""`ebmood serve`: answer HTTP requests with the scores of a detector. Heavy libraries are imported when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.embed_options import EmbedAgain, allow_import
from ebmood.cli.messages import print_message
from ebmood.cli.options import Alpha, Device, Model, Threads, use_threads

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ebmood.detector.patches.patch_folder import PatchFolderDetector
    from ebmood.detector.raw.image_detector import ImageDetector
    from ebmood.detector.raw.table_detector import TableDetector
    from ebmood.serving.bodies import Limits
    from ebmood.serving.watched_feed import WatchedFeed

EPILOG = """Examples

    ebmood serve model

    ebmood serve model --port 9000 --max-rows 1000

    curl localhost:8000/score -H 'Content-Type: application/json' -d '{"rows": [{"flow": 10.2}]}'

    curl localhost:8000/score -H 'Content-Type: image/jpeg' --data-binary @photo.jpg

The service answers at /score (rows as JSON or Arrow, or an image), /health, /model, /monitor and /docs. It has no
passwords and no encryption: with --host it can be reached from other machines, so use
a reverse proxy with authentication and encryption.

This needs the extra `serve`: pip install 'ebmood[serve]'.

Exit codes: 0 stopped by SIGTERM or Ctrl-C, 2 invalid input."""


def serve(
    model: Model,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on. 0.0.0.0: all addresses of this machine."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on. 0: any free port.")
    ] = 8000,
    max_bytes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Largest body of a request, in bytes.")
    ] = 16 * 2**20,
    max_rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Largest number of rows in a request.")
    ] = 10_000,
    monitor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Watch the scored rows for a change: continue from FILE if it exists, and save the state to it.",
            show_default=False,
        ),
    ] = None,
    alpha: Alpha = None,
    embed: EmbedAgain = None,
    threads: Threads = None,
    device: Device = "cpu",
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Write a line for each request on standard error.")
    ] = False,
) -> None:
    """Answer HTTP requests with scores, p-values and flags of rows or images.

    Rows have the columns of the training table. null, NaN and an absent
    column are missing values. A row that cannot be scored gets an
    error; the other rows of the request are scored.
    If the detector was fitted on images, each request is one image.
    """
    from ebmood.core.errors import EbmoodError

    try:
        from ebmood.serving.bodies import Limits
        from ebmood.serving.server import bind
        from ebmood.serving.server import serve as run
    except ImportError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise EbmoodError("serve: needs fastapi and uvicorn; pip install 'ebmood[serve]'") from error
    from ebmood.detector.raw.saved_detector import load_any_detector
    from ebmood.detector.raw.table_detector import TableDetector

    use_threads(threads)
    detector = load_any_detector(model, device, alpha, allow_import(embed))
    limits = Limits(max_bytes, max_rows)
    if isinstance(detector, TableDetector):
        app, watched = _row_app(model, detector, monitor, limits)
    elif monitor is None:
        app, watched = _image_app(model, detector, limits), None
    else:
        raise EbmoodError(
            f"--monitor {monitor}: the service watches rows and not images; leave it out, and give folders of images "
            "to ebmood monitor"
        )
    address = bind(host, port)
    shown, bound = f"[{host}]" if ":" in host else host, address.getsockname()[1]
    run(
        app,
        address,
        lambda: print_message(f"{model}: served at http://{shown}:{bound}, docs at /docs; Ctrl-C stops it"),
        access_log,
    )
    if watched is not None:
        watched.close()
    print_message("ebmood: stopped")


def _row_app(
    model: Path, detector: "TableDetector", monitor: Path | None, limits: "Limits"
) -> "tuple[FastAPI, WatchedFeed | None]":
    """Return the service for a detector of tables, and the feed that it watches."""
    from ebmood.cli.inspect import summary
    from ebmood.detector.raw.frame_detector import FrameDetector
    from ebmood.serving.app import create_app

    frames, watched = FrameDetector.of_named_columns(detector), None
    if monitor is not None:
        from ebmood.monitoring import Monitor
        from ebmood.monitoring.strata import cycles_of
        from ebmood.serving.watched_feed import WatchedFeed

        # Rows arrive prepared, so the monitor works on the estimator.
        estimator, cycles = frames.estimator, cycles_of(frames.table_detector.preparation)
        is_new = not monitor.exists()
        watched = WatchedFeed(
            Monitor(estimator, cycles=cycles) if is_new else Monitor.load(monitor, estimator), monitor
        )
    return create_app(frames, summary(model), monitor=watched, limits=limits), watched


def _image_app(model: Path, detector: "ImageDetector | PatchFolderDetector", limits: "Limits") -> "FastAPI":
    """Return the service for a detector of images."""
    from ebmood.cli.inspect import summary
    from ebmood.serving.image_app import create_image_app

    return create_image_app(detector, summary(model), limits)
