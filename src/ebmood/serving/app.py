"""The HTTP service as a FastAPI application."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pyarrow
from fastapi import FastAPI, HTTPException, Query, Request, Response
from pydantic import JsonValue

from ebmood.core.errors import InputError
from ebmood.detector.raw.frame_detector import FrameDetector, flags_at
from ebmood.detector.raw.summary import summarise_detector
from ebmood.serving.bodies import Limits, arrow_stream, content_type, parse, read_body
from ebmood.serving.messages import ARROW, Problem, Reason, RowResult, ScoreRequest, ScoreResponse
from ebmood.serving.monitor import FeedMonitor
from ebmood.serving.queue import ScoringQueue
from ebmood.serving.scoring import Reasons, Results, describe, find_reasons, to_rows
from ebmood.serving.service import Alpha, new_service

BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": ScoreRequest.model_json_schema()},
        ARROW: {"schema": {"type": "string", "format": "binary"}},
    },
}
"""Description of the body, which the application reads itself to limit its size."""

ANSWER = {ARROW: {"schema": {"type": "string", "format": "binary"}}}

MaxReasons = Annotated[
    int, Query(ge=0, alias="reasons", description="Features to name for each row at most.")
]


def create_app(
    detector: FrameDetector,
    description: Mapping[str, JsonValue] | None = None,
    monitor: FeedMonitor | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """Return the service for a detector: `/score`, `/health`, `/model`, `/monitor` and `/docs`.

    Rows are scored in one thread, in the order of the requests.

    Args:
        detector: what `ebmood.load` returns for a detector that `ebmood fit` wrote.
        description: the answer of `/model`; None for what `ebmood inspect --json` prints about the detector.
        monitor: receives all rows that are scored; its state is the answer of `/monitor`.
        limits: the largest requests.
    """
    limits = limits or Limits()
    about = summarise_detector(detector.table_detector) if description is None else dict(description)
    queue = ScoringQueue(detector, monitor)

    app = new_service("Scores, p-values and flags of rows.", about, lambda: queue.rows, queue.close)

    @app.post(
        "/score",
        response_model=ScoreResponse,
        openapi_extra={"requestBody": BODY},
        responses={200: {"content": ANSWER}},
    )
    async def score(request: Request, alpha: Alpha = None, count: MaxReasons = 0) -> Response:
        """Score rows, which are JSON or a stream of the Arrow IPC format. The answer has the same type."""
        kind = content_type(request)
        rows = parse(await read_body(request, limits), kind, limits)
        if count and len(rows) > limits.reason_rows:
            raise HTTPException(
                413, f"more than {limits.reason_rows} rows with reasons; send fewer at a time"
            )
        try:
            if isinstance(rows, pyarrow.Table):
                rows = to_rows(detector, rows)
            results = await queue.score(rows)
            reasons = (
                await queue.call(lambda: find_reasons(detector, rows, results, count)) if count else None
            )
        except InputError as error:
            raise HTTPException(422, describe(error)) from None
        level = detector.estimator.alpha if alpha is None else alpha
        if kind == ARROW:
            return Response(arrow_stream(_table(results, level, reasons)), media_type=ARROW)
        answer = ScoreResponse(alpha=level, results=_row_results(results, level, reasons))
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/monitor", responses={404: {"model": Problem}})
    async def monitor_state() -> dict[str, Any]:
        """Return the state of the monitor that watches the scored rows."""
        if monitor is None:
            raise HTTPException(404, "this service has no monitor")
        watching = monitor
        return await queue.call(lambda: watching.state.model_dump(mode="json"))

    return app


def _row_results(results: Results, alpha: float, reasons: Reasons | None) -> list[RowResult]:
    flags = flags_at(results.p_values, alpha)
    rows = zip(results.scores.tolist(), results.p_values.tolist(), flags.tolist(), strict=True)
    answers = []
    for row, (score, p_value, flag) in enumerate(rows):
        named = None if reasons is None else [Reason(feature=f, contribution=c) for f, c in reasons[row]]
        if score != score:
            answers.append(
                RowResult(score=None, p_value=None, flag=None, error=_error(results, row), reasons=named)
            )
        else:
            answers.append(RowResult(score=score, p_value=p_value, flag=flag, reasons=named))
    return answers


def _error(results: Results, row: int) -> str:
    return results.errors.get(row, f"row {row}: cannot be scored")


def _table(results: Results, alpha: float, reasons: Reasons | None) -> pyarrow.Table:
    bad = np.isnan(results.scores)
    columns = {
        "score": pyarrow.array(results.scores, mask=bad),
        "p_value": pyarrow.array(results.p_values, mask=bad),
        "flag": pyarrow.array(flags_at(results.p_values, alpha), mask=bad),
        "error": pyarrow.array(
            [_error(results, row) if is_bad else None for row, is_bad in enumerate(bad)], pyarrow.string()
        ),
    }
    if reasons is not None:
        named = [[{"feature": f, "contribution": c} for f, c in of_row] for of_row in reasons]
        kind = pyarrow.list_(pyarrow.struct({"feature": pyarrow.string(), "contribution": pyarrow.float64()}))
        columns["reasons"] = pyarrow.array(named, kind)
    return pyarrow.table(columns)
