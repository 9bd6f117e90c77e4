import numpy as np
from helpers.records import made_record, with_pictures

from ebmood.results.arms import gather
from ebmood.results.figures.landscapes import landscapes


def test_a_constant_density_can_be_drawn(tmp_path):
    record = with_pictures(made_record("ssm", 0))
    flat = record.updated(landscape=record.landscape.updated(value=np.zeros((40, 40)).tolist()))
    [drawing] = landscapes(gather([flat, with_pictures(made_record("knn", 0))]), "x", tmp_path)
    assert "(seed 0), coloured by rank" in drawing.caption
    assert (tmp_path / "landscapes-x.png").stat().st_size > 0
    assert not list(landscapes(gather([made_record("ssm")]), "x", tmp_path))
