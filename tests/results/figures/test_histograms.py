import re

from helpers.image_records import made_image
from helpers.records import made_record, with_pictures

from ebmood.results.arms import gather
from ebmood.results.figures.histograms import histograms


def words(path):
    return re.findall("<!-- (.*?) -->", path.read_text())


def test_there_is_a_figure_per_energy_method_and_family(tmp_path):
    records = [with_pictures(made_record(method)) for method in ("ssm", "radial", "spline", "knn")]
    names = [drawing.name for drawing in histograms(gather(records), "x", tmp_path)]
    assert names == ["histograms-x-ssm", "histograms-x-flow", "histograms-x-baseline"]
    assert "AUROC 0.800" in words(tmp_path / "histograms-x-ssm.svg")


def test_a_recipe_with_another_seed_is_labelled_with_it(tmp_path):
    records = [
        with_pictures(made_record("ssm", 0)).updated(scores={}),
        with_pictures(made_record("ssm", 1)),
        with_pictures(made_record("ssm", 0, gamma=1.0)),
    ]
    [drawing] = histograms(gather(records), "x", tmp_path)
    assert "(one seed of each recipe, see its label)" in drawing.caption
    assert {"seed 0", "seed 1"} <= set(words(tmp_path / "histograms-x-ssm.svg"))


def test_low_level_sets_are_not_drawn(tmp_path):
    list(histograms(gather([made_image("cd"), made_image("cd", bottleneck=0.1)]), "x", tmp_path))
    text = words(tmp_path / "histograms-x-cd.svg")
    assert "mnist" in text
    assert "edges" not in text
    assert any("bottleneck 0.1" in word for word in text)
