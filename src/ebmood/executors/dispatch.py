"""Dispatch items to executors. An executor that breaks is replaced, and its item is tried again."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import TypeVar

POLL_SECONDS = 0.5
"""Maximum time between two calls of `on_poll`."""

Item = TypeVar("Item")


def dispatch(
    items: Sequence[Item],
    submit: Callable[[Executor, Item], Future],
    jobs: int,
    open_executor: Callable[[], Executor],
    *,
    progress_of: Callable[[Item], int] = lambda item: 0,
    on_retry: Callable[[Item], None] = lambda item: None,
    on_poll: Callable[[list[Item]], None] = lambda items: None,
    may_start: Callable[[], bool] = lambda: True,
) -> Generator[tuple[Item, Future], None, None]:
    """Yield each item with its future when it is done: with a result, an error, or a `BrokenExecutor`.

    If an executor breaks, its item is tried again. If the executor of the new attempt breaks too, the item is done,
    unless `progress_of` shows that the attempt made progress. Closing the generator ends all running items.

    Args:
        items: the items, in the order in which they start.
        submit: function that submits an item to an executor.
        jobs: number of items that run at the same time, each on its own executor.
        open_executor: function that returns an executor for one item at a time. An error that it raises ends the
            generator.
        progress_of: how far an item has come, if a new attempt resumes there.
        on_retry: called with an item before its new attempt.
        on_poll: called at least every half second with the running items. An error that it raises ends them.
        may_start: whether further items may start. Once it returns false, the generator ends with the running items.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> done = dispatch(
    ...     [2, 3], lambda executor, n: executor.submit(pow, n, 2), jobs=1, open_executor=lambda: ThreadPoolExecutor(1)
    ... )
    >>> [(item, future.result()) for item, future in done]
    [(2, 4), (3, 9)]
    """
    waiting = deque(range(len(items)))
    progress_at_break: dict[int, int] = {}
    idle: list[Executor] = []
    running: dict[Future, tuple[int, Executor]] = {}
    try:
        while running or (waiting and may_start()):
            while waiting and len(running) < jobs and may_start():
                executor = idle.pop() if idle else open_executor()
                try:
                    running[submit(executor, items[waiting[0]])] = waiting[0], executor
                except BrokenExecutor:  # it broke while idle, so this does not count as an attempt
                    executor.shutdown()
                    continue
                waiting.popleft()
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                index, executor = running.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    executor.shutdown()
                    idle.append(open_executor())  # if this raises, the item did not fail
                    progress = progress_of(items[index])
                    if progress > progress_at_break.get(index, -1):
                        progress_at_break[index] = progress
                        waiting.appendleft(index)
                        on_retry(items[index])
                        continue
                else:
                    idle.append(executor)
                yield items[index], future
            on_poll([items[index] for index, _ in running.values()])
    finally:
        for executor in [*idle, *(executor for _, executor in running.values())]:
            executor.shutdown(cancel_futures=True)
