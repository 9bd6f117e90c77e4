import numpy as np
import pytest
from helpers.records import made_record, seeds, with_pictures
from matplotlib.image import imread

from ebmood.results.arms import gather
from ebmood.results.figures.all_figures import draw_answers, draw_figures


@pytest.fixture(scope="module")
def arms():
    records = [
        with_pictures(record, 1 / (1 + (record.gamma or 0)))
        for record in (*seeds(2, "ssm", 0.7), *seeds(2, "ssm", 0.8, gamma=1.0), *seeds(2, "radial", 0.75))
    ]
    return gather([*records, made_record("iforest", 0)])


def test_answers_and_figures_are_written_as_png_and_svg(arms, tmp_path):
    answers = [drawing.name for drawing in draw_answers(arms, tmp_path)]
    figures = [drawing.name for drawing in draw_figures(arms, tmp_path)]
    assert answers == ["forest-flow", "forest-supervision", "seeds-segment"]
    assert figures == [
        "histograms-segment-ssm", "histograms-segment-flow", "rays-segment", "landscapes-segment",
    ]  # fmt: skip
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {f"{name}.{kind}" for name in (*answers, *figures) for kind in ("png", "svg")}
    for name in answers:
        pixels = imread(tmp_path / f"{name}.png")[..., :3]
        assert pixels.shape[1] > 600
        assert len(np.unique((pixels * 255).astype(int) @ [65536, 256, 1])) > 20


def test_equal_records_give_equal_files_and_global_settings_are_unchanged(arms, tmp_path):
    import matplotlib

    settings = dict(matplotlib.rcParams)
    few = [arm for arm in arms if arm.method == "radial" or arm.gamma is None]
    for folder in ("a", "b"):
        draw_answers(few, tmp_path / folder)
        draw_figures([arm for arm in few if arm.method == "radial"], tmp_path / folder)
    assert dict(matplotlib.rcParams) == settings
    files = sorted((tmp_path / "a").iterdir())
    assert files
    for path in files:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_every_view_and_condition_has_its_own_figures(tmp_path):
    records = [*seeds(1, "ssm"), *seeds(1, "ssm", selection="paper"), *seeds(1, "ssm", dataset="moons")]
    names = {drawing.name for drawing in draw_answers(gather(records), tmp_path)}
    assert names == {"seeds-segment", "seeds-segment-leak", "seeds-moons"}
