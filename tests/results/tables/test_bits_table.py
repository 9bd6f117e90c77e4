import math

import pytest
from helpers.image_records import made_image

from ebmood.results.arms import gather
from ebmood.results.tables.bits_table import bits_table


def test_flows_with_recorded_bits_have_a_row():
    records = [
        *(made_image("glow", seed, bits_per_dim=3.0 + seed) for seed in (0, 1)),
        made_image("realnvp"),  # without recorded bits
        made_image("cd"),
    ]
    (row,) = bits_table(gather(records)).rows
    assert row[1] == "Glow"
    assert (row[4].mean, row[4].sd) == pytest.approx((3.5, math.sqrt(0.5)))
    assert bits_table(gather(records[2:])) is None
