"""The steps of steps.py under pytest-benchmark, for those who store and compare its JSON.

    OMP_NUM_THREADS=1 pytest benchmarks/test_steps.py -k "cd or radial" --benchmark-json steps.json

Batches have four images. pytest-benchmark times one turn of all sides of a comparison, since sides that are timed one
after the other would see different states of the machine. The medians of the sides and their ratios are in
`extra_info`.
"""

import pytest
from steps import comparisons, runnable
from timing import Turns

ROUNDS = 9


@pytest.mark.parametrize("name", comparisons(images := 4))
def test_step(benchmark, name):
    comparison = runnable(comparisons(images)[name]())
    if comparison is None:
        pytest.skip("this processor does not multiply in bfloat16")
    turns = Turns(comparison)
    benchmark.pedantic(turns.turn, rounds=ROUNDS)
    for side, median in turns.medians().items():
        benchmark.extra_info[side] = median
        print(f"{name}, {side}: {median['ms']:.2f} ms, {median['faster']:.2f}x")
