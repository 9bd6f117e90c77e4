import pytest
from helpers.image_records import made_image

from ebmood.results.gaps import gaps


def test_the_gap_is_the_difference_of_means_in_id_standard_deviations():
    expected = {"shuffled-patches": 0.0, "shuffled-pixels": 3.0, "edges": -1.5, "flat-colour": 200.0}
    assert gaps(made_image("cd", gap=expected)) == pytest.approx(expected)
    assert gaps(made_image("cd").updated(scores={})) == {}
    flat = made_image("cd")
    assert gaps(flat.updated(scores=dict.fromkeys(flat.scores, (1.0,) * 9))) == {}
