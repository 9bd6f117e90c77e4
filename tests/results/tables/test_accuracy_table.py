import math

import pytest
from helpers.image_records import made_image

from ebmood.results.arms import gather
from ebmood.results.tables.accuracy_table import accuracy_table


def test_models_with_a_recorded_accuracy_have_a_row():
    records = [
        *(made_image("cd", seed, gamma=1.0, accuracy=0.8 + 0.1 * seed) for seed in (0, 1)),
        made_image("cd"),
    ]
    (row,) = accuracy_table(gather(records)).rows
    assert row[2] == "1"
    assert (row[4].mean, row[4].sd) == pytest.approx((0.85, math.sqrt(0.005)))
    assert accuracy_table(gather(records[2:])) is None
