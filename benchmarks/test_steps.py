"""The steps of steps.py under pytest-benchmark, for those who keep and compare its JSON.

    OMP_NUM_THREADS=1 pytest benchmarks/test_steps.py -k "cd or radial" --benchmark-json steps.json

Images come four a batch. What pytest-benchmark times is one turn of all sides of a row: sides that it timed one after
the other would each have the machine as it is at another time. The medians of the sides and their ratios are in
`extra_info`.
"""

import pytest
from steps import every_row, made
from turns import Turns

ROUNDS = 9


@pytest.mark.parametrize("name", every_row(images_each := 4))
def test_step(benchmark, name):
    turns = Turns(made(every_row(images_each)[name]))
    benchmark.pedantic(turns.turn, rounds=ROUNDS)
    for side, found in turns.medians().items():
        benchmark.extra_info[side] = found
        print(f"{name}, {side}: {found['ms']:.2f} ms, {found['faster']:.2f}x")
