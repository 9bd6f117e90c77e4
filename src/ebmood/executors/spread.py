"""Work spread over executors: each piece on one of its own, tried once more where that breaks."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import TypeVar

POLL = 0.5
"""Seconds between two looks at what is running."""

Item = TypeVar("Item")


def spread(
    todo: Sequence[Item],
    submit: Callable[[Executor, Item], Future],
    jobs: int,
    open_executor: Callable[[], Executor],
    *,
    reached: Callable[[Item], int] = lambda item: 0,
    retried: Callable[[Item], None] = lambda item: None,
    running: Callable[[list[Item]], None] = lambda items: None,
) -> Generator[tuple[Item, Future], None, None]:
    """Each item with its future, as they are done: with a result, an error, or broken twice where it stood.

    Closing the generator ends what is running.

    Args:
        todo: what to do, in this order.
        submit: hands one item to an executor.
        jobs: how many run at once, each on an executor of its own.
        open_executor: makes an executor for one item at a time. One that breaks is replaced; what this raises
            when nothing is left to run on ends the work.
        reached: how far an item has come, if a new try goes on from there. One whose executors break goes on as long
            as each takes it further.
        retried: told of an item whose executor broke and that is tried once more.
        running: told at least every half second what is running.
    """
    waiting = deque(range(len(todo)))
    broke: dict[int, int] = {}  # where each item stood when its executor last broke
    idle: list[Executor] = []
    runs: dict[Future, tuple[int, Executor]] = {}
    try:
        while waiting or runs:
            while waiting and len(runs) < jobs:
                executor = idle.pop() if idle else open_executor()
                try:
                    runs[submit(executor, todo[waiting[0]])] = waiting[0], executor
                except BrokenExecutor:  # It died while idle, which is no fault of this item.
                    executor.shutdown()
                    continue
                waiting.popleft()
            ready, _ = wait(runs, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in ready:
                index, executor = runs.pop(future)
                if isinstance(future.exception(), BrokenExecutor):
                    executor.shutdown()
                    idle.append(open_executor())  # Where this raises, the item was not at fault.
                    stands = reached(todo[index])
                    if stands > broke.get(index, -1):
                        broke[index] = stands
                        waiting.appendleft(index)
                        retried(todo[index])
                        continue
                else:
                    idle.append(executor)
                yield todo[index], future
            running([todo[index] for index, _ in runs.values()])
    finally:
        for executor in [*idle, *(executor for _, executor in runs.values())]:
            executor.shutdown(cancel_futures=True)
