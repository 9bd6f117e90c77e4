import re

import numpy as np
import pytest
from helpers.image_records import image_seeds, made_image
from helpers.records import failed_record

from ebmood.results.arms import gather
from ebmood.results.figures.content_histograms import content_histograms, standardized_scores


def test_there_is_a_column_per_bottleneck_and_each_panel_has_its_gaps(tmp_path):
    records = [
        failed_record("cd", 0, family="energy", dataset="fmnist"),
        made_image("cd", 1),
        *image_seeds(2, "cd", gap=30.0, bottleneck=0.1),
        *image_seeds(2, "vera", gap=-5.0),
    ]
    [drawing] = content_histograms(gather(records), "x", tmp_path)
    words = re.findall(r"<!-- (.*?) -->", (tmp_path / f"{drawing.name}.svg").read_text())
    for word in ("no bottleneck", "bottleneck 0.1", "not run", "shuffled-patches", "ID test images"):
        assert word in words, word
    assert words.count("gap") == 3  # CD with and without a bottleneck, VERA without
    assert words.count("+30.00") == 4
    assert words.count("−5.00") == 4


def test_scores_are_standardized_by_the_id_scores():
    scores = standardized_scores(made_image("cd", gap={"edges": 7.0}), ["edges"])
    assert scores["id"].mean() == pytest.approx(0, abs=1e-9)
    assert scores["id"].std() == pytest.approx(1)
    assert np.median(scores["edges"]) == pytest.approx(np.median(scores["id"]) - 7)


def test_records_without_scores_have_no_figure(tmp_path):
    assert not list(content_histograms(gather([made_image("cd").updated(scores={})]), "x", tmp_path))
