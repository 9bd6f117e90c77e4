from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.executors.dispatch import dispatch


class FragileExecutor(Executor):
    """Breaks on negative numbers: on -2 always, on other numbers at the first attempt only."""

    opened = 0
    broken_on: set[int] = set()

    def __init__(self):
        type(self).opened += 1

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        if args[0] < 0 and (args[0] == -2 or args[0] not in self.broken_on):
            self.broken_on.add(args[0])
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(fn(*args))
        return future


@pytest.fixture
def fragile():
    return type("FragileExecutor", (FragileExecutor,), {"broken_on": set(), "opened": 0})


def square(executor: Executor, number: int) -> Future:
    return executor.submit(lambda n: n * n, number)


def test_an_item_whose_executor_breaks_is_tried_once_more(fragile):
    retried: list[int] = []
    done = dict(dispatch([3, -1, 4, -2], square, 2, fragile, on_retry=retried.append))
    assert {item: future.result() for item, future in done.items() if item != -2} == {3: 9, -1: 1, 4: 16}
    assert isinstance(done[-2].exception(), BrokenExecutor)
    assert retried == [-1, -2]


def test_an_item_is_tried_again_while_each_attempt_makes_progress():
    """`ten` breaks after each of its ten steps and still ends. `three` makes no progress after three steps."""
    steps = {"ten": 0, "three": 0}

    def submit(executor: Executor, item: str) -> Future:
        future: Future = Future()
        steps[item] = min(steps[item] + 1, 10 if item == "ten" else 3)
        if steps[item] == 10:
            future.set_result("done")
        else:
            future.set_exception(BrokenExecutor())
        return future

    retried: list[str] = []
    done = dict(
        dispatch(
            list(steps),
            submit,
            2,
            lambda: ThreadPoolExecutor(1),
            progress_of=steps.__getitem__,
            on_retry=retried.append,
        )
    )
    assert done["ten"].result() == "done"
    assert isinstance(done["three"].exception(), BrokenExecutor)
    assert (retried.count("ten"), retried.count("three")) == (9, 3)


def test_without_another_executor_the_generator_ends_and_no_item_fails(fragile):
    def open_at_most(count: int):
        if fragile.opened >= count:
            raise EbmoodError("no executor is left")
        return fragile()

    with pytest.raises(EbmoodError, match="no executor is left"):
        list(dispatch([-2, 3], square, 1, lambda: open_at_most(1)))
    fragile.opened = 0
    done = dispatch([1, 2, -2, 3], square, 1, lambda: open_at_most(2))
    assert [next(done)[0], next(done)[0]] == [1, 2]
    with pytest.raises(EbmoodError):
        next(done)


def test_at_most_the_given_number_of_items_run_and_closing_ends_all_executors():
    release, opened = Event(), []

    def open_executor():
        opened.append(ThreadPoolExecutor(1))
        return opened[-1]

    def submit(executor, item):
        return executor.submit(release.wait, 10 if item else 0)

    with closing(dispatch([0, 1, 1, 1], submit, 2, open_executor)) as done:
        assert next(done)[0] == 0
        assert len(opened) == 2
        release.set()
    for executor in opened:
        with pytest.raises(RuntimeError):
            executor.submit(print)
