"""The HTTP service for a detector of images, as a FastAPI application."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI, HTTPException, Request
from pydantic import JsonValue

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import SKIP_HINT
from ebmood.detector.patches.patch_folder import PLACE_COLUMNS, PatchFolderDetector
from ebmood.detector.raw.image_detector import ImageDetector
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders.images import EncodedImage
from ebmood.serving.bodies import Limits, read_body
from ebmood.serving.messages import ImageScore
from ebmood.serving.service import Alpha, new_service

NAME = "the image"
"""What errors call the image of a request."""

BINARY = "application/octet-stream"
BODY = {
    "required": True,
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/*", BINARY)},
}
"""Description of the body, which the application reads itself to limit its size."""


def create_image_app(
    detector: ImageDetector | PatchFolderDetector,
    description: Mapping[str, JsonValue],
    limits: Limits | None = None,
) -> FastAPI:
    """Return the service for a detector of images: `/score`, `/health`, `/model` and `/docs`.

    A request has one image. Images are scored in one thread, in the order of the requests.

    Args:
        detector: a saved detector that was fitted on a folder of images.
        description: the answer of `/model`.
        limits: the largest requests.
    """
    limits = limits or Limits()
    scored = 0
    thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
    app = new_service("Scores, p-values and flags of images.", description, lambda: scored, thread.shutdown)

    @app.post("/score", openapi_extra={"requestBody": BODY})
    async def score(request: Request, alpha: Alpha = None) -> ImageScore:
        """Score one image. The body is the content of an image file, such as a JPEG or PNG file."""
        nonlocal scored
        _check_type(request)
        image = EncodedImage(await read_body(request, limits, "send a smaller image"), NAME)
        try:
            batch = await asyncio.get_running_loop().run_in_executor(
                thread, lambda: detector.score_image(image, alpha)
            )
        except EbmoodError as error:
            raise HTTPException(422, str(error).removesuffix(SKIP_HINT).removesuffix("; ")) from None
        scored += 1
        return _answer(batch, detector.estimator.alpha if alpha is None else alpha)

    return app


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    is_image = kind.startswith("image/") or kind == BINARY
    if not is_image or request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(
            415,
            f"the header Content-Type is {kind!r}; send the content of one image file as image/jpeg, image/png or "
            f"{BINARY}, without Content-Encoding",
        )


def _answer(batch: ScoreBatch, alpha: float) -> ImageScore:
    kept = batch.kept_columns
    place = None if kept is None else (kept.column(PLACE_COLUMNS[0])[0], kept.column(PLACE_COLUMNS[1])[0])
    return ImageScore(
        alpha=alpha,
        score=float(batch.scores[0]),
        p_value=float(batch.p_values[0]),
        flag=bool(batch.flags[0]),
        where=None if place is None else (place[0].as_py(), place[1].as_py()),
    )
