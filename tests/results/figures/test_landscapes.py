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


def test_titles_do_not_reach_beyond_their_panels(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda axes, text, **_: titles.append(text))
    record = with_pictures(made_record("energy-discrepancy", 0)).updated(
        title="Energy discrepancy", family="energy", variant="modern", shortened=True
    )
    list(landscapes(gather([record]), "x", tmp_path))
    assert titles == ["Energy discrepancy, modern,\nunsupervised\n(shortened)"]
