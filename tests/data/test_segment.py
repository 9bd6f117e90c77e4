import warnings

import numpy as np
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from ebmood.core.errors import EbmoodError
from ebmood.data import (
    Segment,
    split_dataset,
)


def openml_segment():
    """Return Segment in the form of OpenML, with the constant column that the copy of river does not have."""
    data = Segment().load()
    x = np.concatenate([data.x, data.natural["sky"]])
    labels = np.array([data.classes[k] for k in data.y] + ["sky"] * 330, dtype=object)
    names = [*data.features[:2], "region-pixel-count", *data.features[2:]]
    return Bunch(data=np.insert(x, 2, 9.0, axis=1), target=labels, feature_names=names)


def test_openml_gives_the_rows_of_river(monkeypatch):
    calls = []

    def fetch_openml(**settings):
        calls.append(settings)
        return openml_segment()

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    data = Segment(source="openml").load()
    assert calls[0]["data_id"] == 36
    assert data.digest() == Segment().load().digest()
    assert "OpenML" in data.source


def test_a_file_with_capital_letters_gives_the_rows_of_river(tmp_path):
    bunch = openml_segment()
    lines = [",".join(["class", *bunch.feature_names])]
    for row, label in zip(bunch.data, bunch.target, strict=True):
        lines.append(",".join([label.upper(), *(repr(float(value)) for value in row)]))
    (tmp_path / "segment.csv").write_text("\n".join(lines))
    data = Segment(source=str(tmp_path / "segment.csv")).load()
    assert data.digest() == Segment().load().digest()
    assert data.features == Segment().load().features


def test_another_table_is_an_error(tmp_path):
    (tmp_path / "s.csv").write_text("a,b,class\n1,2,sky\n2,3,grass\n")
    with pytest.raises(EbmoodError, match=r"s\.csv: 2 features that are not constant, but Segment has 18"):
        Segment(source=str(tmp_path / "s.csv")).load()


def test_there_are_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_dataset(Segment().load(), 0)


@pytest.fixture(scope="module")
def segment():
    return Segment().load()


def test_sizes_are_those_of_the_paper(segment):
    assert segment.x.shape == (1980, 18)
    assert len(segment.classes) == 6
    assert "sky" not in segment.classes
    assert np.bincount(segment.y).tolist() == [330] * 6
    assert {name: x.shape for name, x in segment.natural.items()} == {"sky": (330, 18)}
