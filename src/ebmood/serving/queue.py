"""Requests that arrive while rows are scored wait, and are then scored together."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pyarrow

from ebmood.detector.raw.frame_detector import FrameDetector
from ebmood.serving import scoring
from ebmood.serving.monitor import FeedMonitor
from ebmood.serving.scoring import Results, Rows, score_requests

T = TypeVar("T")


@dataclass(frozen=True)
class _Request:
    rows: Rows
    answer: "asyncio.Future[Results]"


class ScoringQueue:
    """Scores requests in one thread, in their order.

    PyTorch computes on one row of a chunk as long as on all of them (`ebmood.detector.energy.chunks`), so short
    requests that wait at the same time are scored together.

    Args:
        detector: the detector.
        monitor: watches the scored rows; None for none.

    Attributes:
        rows: number of rows scored so far.
    """

    def __init__(self, detector: FrameDetector, monitor: FeedMonitor | None = None):
        self.rows = 0
        self._detector = detector
        self._monitor = monitor
        self._waiting: deque[_Request] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")

    async def score(self, rows: Rows) -> Results:
        """Return the results for the rows of a request.

        Raises:
            InputError: the request has other columns than the training table.
        """
        request = _Request(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await request.answer

    async def call(self, function: Callable[[], T]) -> T:
        """Return the result of a function that runs in the thread of the scores, after those that wait there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def close(self) -> None:
        """Wait until the thread has ended."""
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._waiting:
            requests = self._take()
            rows = [request.rows for request in requests]
            try:
                answers = await self.call(
                    lambda rows=rows: score_requests(self._detector, rows, self._monitor)
                )
            except Exception as error:  # a defect: these requests fail, and the next ones are scored
                answers = [error] * len(requests)
            for request, answer in zip(requests, answers, strict=True):
                self._give(request, answer)

    def _give(self, request: _Request, answer: Results | Exception) -> None:
        if isinstance(answer, Results):
            self.rows += len(answer.scores)
        if request.answer.cancelled():  # the client has gone
            return
        if isinstance(answer, Results):
            request.answer.set_result(answer)
        else:
            request.answer.set_exception(answer)

    def _take(self) -> list[_Request]:
        """Remove and return the first request, and those after it that may be scored together with it."""
        requests = [self._waiting.popleft()]
        rows = len(requests[0].rows)
        while self._waiting and not any(
            isinstance(r.rows, pyarrow.Table) for r in (*requests, self._waiting[0])
        ):
            rows += len(self._waiting[0].rows)
            if rows > scoring.MERGED_ROWS:
                break
            requests.append(self._waiting.popleft())
        return requests
