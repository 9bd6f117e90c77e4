from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.executors.spread import spread


class Fragile(Executor):
    """Breaks on numbers below zero; on -2 always, on others only at the first time."""

    opened = 0
    broke: set[int] = set()

    def __init__(self):
        type(self).opened += 1

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        if args[0] < 0 and (args[0] == -2 or args[0] not in self.broke):
            self.broke.add(args[0])
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(fn(*args))
        return future


@pytest.fixture
def fragile():
    return type("Fragile", (Fragile,), {"broke": set(), "opened": 0})


def square(executor: Executor, number: int) -> Future:
    return executor.submit(lambda n: n * n, number)


def test_each_item_once_and_a_broken_executor_costs_one_attempt(fragile):
    again: list[int] = []
    done = dict(spread([3, -1, 4, -2], square, 2, fragile, retried=again.append))
    assert {item: future.result() for item, future in done.items() if item != -2} == {3: 9, -1: 1, 4: 16}
    assert isinstance(done[-2].exception(), BrokenExecutor)
    assert again == [-1, -2]


def test_an_item_goes_on_as_long_as_each_try_takes_it_further():
    """One that dies after every step of ten still ends; one that comes no further after three dies twice there."""
    steps = {"ends": 0, "stays": 0}

    def submit(executor: Executor, item: str) -> Future:
        future: Future = Future()
        steps[item] = min(steps[item] + 1, 10 if item == "ends" else 3)
        if steps[item] == 10:
            future.set_result("done")
        else:
            future.set_exception(BrokenExecutor())
        return future

    again: list[str] = []
    walk = spread(
        list(steps), submit, 2, lambda: ThreadPoolExecutor(1), reached=steps.__getitem__, retried=again.append
    )
    done = dict(walk)
    assert done["ends"].result() == "done"
    assert isinstance(done["stays"].exception(), BrokenExecutor)
    assert (again.count("ends"), again.count("stays")) == (9, 3)


def test_where_no_executor_is_left_the_work_ends_and_no_item_is_blamed(fragile):
    def one_only():
        if fragile.opened:
            raise EbmoodError("nothing is left")
        return fragile()

    finished = []
    with pytest.raises(EbmoodError, match="nothing is left"):
        finished += [item for item, _ in spread([1, 2, -2, 3], square, 1, one_only)]
    assert finished == []  # the list is made at once or not at all
    walk = spread([1, 2, -2, 3], square, 1, lambda: fragile() if fragile.opened < 2 else one_only())
    assert [next(walk)[0], next(walk)[0]] == [1, 2]
    with pytest.raises(EbmoodError):
        next(walk)


def test_no_more_than_so_many_run_at_once_and_closing_shuts_all_down():
    go, opened = Event(), []

    def open_one():
        opened.append(ThreadPoolExecutor(1))
        return opened[-1]

    def submit(executor, item):
        return executor.submit(go.wait, 10 if item else 0)

    with closing(spread([0, 1, 1, 1], submit, 2, open_one)) as walk:
        assert next(walk)[0] == 0
        assert len(opened) == 2
        go.set()
    for executor in opened:
        with pytest.raises(RuntimeError):
            executor.submit(print)
