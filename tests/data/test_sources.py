"""The sources that come with the package, and the network that may be missing."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.spatial import cKDTree
from sklearn.utils import Bunch

from ebmood.core.errors import EbmoodError
from ebmood.data import DATASETS, AnySource, Segment, Sensorless, Table, Toy, split_dataset, toys

SHAPES = ["moons", "rings", "checkerboard", "mixture"]
ANY = TypeAdapter(AnySource)


def sensorless_like(rows=12):
    """Numbers in the form of Sensorless: 48 features, classes 1 to 11."""
    x = np.random.default_rng(0).normal(size=(11 * rows, 48))
    return x, np.repeat(np.arange(1, 12), rows)


def check_sensorless(source, rows=12):
    x, y = sensorless_like(rows)
    data = source.load()
    assert data.name == "sensorless"
    assert data.classes == tuple(str(k) for k in range(1, 10))
    np.testing.assert_allclose(data.x, x[y < 10], rtol=1e-12)
    np.testing.assert_array_equal(data.y, y[y < 10] - 1)
    assert list(data.natural) == ["class-10", "class-11"]
    np.testing.assert_allclose(data.natural["class-11"], x[y == 11], rtol=1e-12)
    return data


def test_sensorless_npz(tmp_path):
    x, y = sensorless_like()
    np.savez(tmp_path / "s.npz", X=x, y=y)
    data = check_sensorless(Sensorless(source=str(tmp_path / "s.npz")))
    assert [ood.name for ood in split_dataset(data, 0).test_ood][:2] == ["class-10", "class-11"]


def test_sensorless_as_uci_hands_it_out(tmp_path):
    x, y = sensorless_like()
    np.savetxt(tmp_path / "s.txt", np.column_stack([x, y]), fmt=["%.17g"] * 48 + ["%d"])
    check_sensorless(Sensorless(source=str(tmp_path / "s.txt")))


def test_sensorless_csv(tmp_path):
    x, y = sensorless_like()
    header = ",".join([*(f"V{i}" for i in range(48)), "Class"])
    np.savetxt(
        tmp_path / "s.csv",
        np.column_stack([x, y]),
        fmt=["%.17g"] * 48 + ["%d"],
        delimiter=",",
        header=header,
        comments="",
    )
    check_sensorless(Sensorless(source=str(tmp_path / "s.csv")))


def test_another_table_is_not_sensorless(tmp_path):
    x, y = sensorless_like()
    np.savez(tmp_path / "s.npz", X=x[:, :40], y=y)
    with pytest.raises(EbmoodError, match=r"s\.npz: 40 features where Sensorless has 48"):
        Sensorless(source=str(tmp_path / "s.npz")).load()
    np.savez(tmp_path / "s.npz", X=x, y=y % 5)
    with pytest.raises(EbmoodError, match=r"s\.npz: no class '10'.*0, 1, 2, 3, 4"):
        Sensorless(source=str(tmp_path / "s.npz")).load()


def as_openml_has_segment():
    """The true Segment with the constant column that river's copy lacks, as OpenML hands it out."""
    data = Segment().load()
    x = np.concatenate([data.x, data.natural["sky"]])
    labels = np.array([data.classes[k] for k in data.y] + ["sky"] * 330, dtype=object)
    names = [*data.features[:2], "region-pixel-count", *data.features[2:]]
    return Bunch(data=np.insert(x, 2, 9.0, axis=1), target=labels, feature_names=names)


def test_segment_from_openml_is_the_segment_of_river(monkeypatch):
    asked = []

    def fetch_openml(**settings):
        asked.append(settings)
        return as_openml_has_segment()

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    data = Segment(source="openml").load()
    assert asked[0]["data_id"] == 36
    assert data.digest() == Segment().load().digest()
    assert "OpenML" in data.source


def test_segment_from_a_file_with_the_capitals_of_uci(tmp_path):
    bunch = as_openml_has_segment()
    lines = [",".join(["class", *bunch.feature_names])]
    for row, label in zip(bunch.data, bunch.target, strict=True):
        lines.append(",".join([label.upper(), *(repr(float(value)) for value in row)]))
    (tmp_path / "segment.csv").write_text("\n".join(lines))
    data = Segment(source=str(tmp_path / "segment.csv")).load()
    assert data.digest() == Segment().load().digest()
    assert data.features == Segment().load().features


def test_another_table_is_not_segment(tmp_path):
    (tmp_path / "s.csv").write_text("a,b,class\n1,2,sky\n2,3,grass\n")
    with pytest.raises(EbmoodError, match=r"s\.csv: 2 features that vary where Segment has 18"):
        Segment(source=str(tmp_path / "s.csv")).load()


def test_sensorless_from_openml(monkeypatch):
    x, y = sensorless_like()
    asked = []

    def fetch_openml(**settings):
        asked.append(settings)
        names = [f"Attribute{i}" for i in range(1, 49)]
        return Bunch(data=x, target=y.astype(str).astype(object), feature_names=names)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    check_sensorless(Sensorless())
    Sensorless(openml=12345).load()
    assert asked[0]["name"] == "Sensorless_drive_diagnosis"
    assert asked[1]["data_id"] == 12345


@pytest.mark.parametrize(("source", "instead"), [(Segment(source="openml"), "river"), (Sensorless(), ".txt")])
def test_no_network(monkeypatch, tmp_path, source, instead):
    """Every way out leads to a closed port of this machine, and nothing is in the cache."""
    for scheme in ("http", "https", "all"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(EbmoodError, match="OpenML cannot be reached") as caught:
        source.load()
    assert instead in str(caught.value)
    assert "\n" not in str(caught.value)


def test_openml_answers_with_something_else(monkeypatch):
    def fetch_openml(**settings):
        raise ValueError("Dataset sensorless with version active\nnot found.")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    with pytest.raises(EbmoodError, match=r"answer cannot be used .*not found"):
        Sensorless().load()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_toy_is_drawn_by_its_own_seed(shape):
    assert Toy(shape=shape).load().digest() == Toy(shape=shape).load().digest()
    assert Toy(shape=shape).load().digest() != Toy(shape=shape, drawn_with=1).load().digest()


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=20)
@given(rows=st.integers(20, 3000), seed=st.integers(0, 1000))
def test_toys_have_the_rows_asked_for(shape, rows, seed):
    data = Toy(shape=shape, rows=rows, drawn_with=seed).load()
    assert data.x.shape == (rows, 2)
    assert data.natural["background"].shape == (rows // 4, 2)
    assert data.y is not None
    assert data.y.max() < len(data.classes)


@pytest.mark.parametrize("shape", SHAPES)
def test_background_lies_in_the_widened_box_and_off_the_data(shape):
    data = Toy(shape=shape, rows=8000).load()
    background = data.natural["background"]
    low, high = data.x.min(axis=0), data.x.max(axis=0)
    assert (background >= low - (high - low) / 2).all()
    assert (background <= high + (high - low) / 2).all()
    assert (background.min(axis=0) < low).all()  # it does fill the margin
    assert (background.max(axis=0) > high).all()
    inside = ((background > low) & (background < high)).all(axis=1)
    assert inside.mean() > 0.05  # and the gaps of the data
    # By the rows themselves: typical rows have close neighbours, background rows do not.
    to_data, _ = cKDTree(data.x).query(background)
    between, _ = cKDTree(data.x).query(data.x, k=2)
    assert np.median(to_data) > 5 * np.median(between[:, 1])
    assert not toys._GEOMETRIES[shape].near(background).any()
    assert toys._GEOMETRIES[shape].near(data.x).mean() > 0.98


def test_geometry_of_the_toys():
    """Distances by brute force along the arcs agree with the closed forms."""
    angle = np.linspace(0, np.pi, 4001)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arcs = np.concatenate([upper, [1.0, 0.5] + upper * [1.0, -1.0]])
    points = np.random.default_rng(0).uniform([-2, -1.5], [3, 2], (4000, 2))
    distance, _ = cKDTree(arcs).query(points)
    clear = np.abs(distance - 0.3) > 1e-3
    np.testing.assert_array_equal(toys._GEOMETRIES["moons"].near(points)[clear], (distance <= 0.3)[clear])
    rings = Toy(shape="rings", rows=6000).load()
    radius = np.linalg.norm(rings.x, axis=1)
    for k in range(3):
        assert radius[rings.y == k].mean() == pytest.approx(k + 1, abs=0.02)
    board = Toy(shape="checkerboard", rows=6000).load()
    squares, counts = np.unique(np.floor(board.x).astype(int), axis=0, return_counts=True)
    assert len(squares) == 8
    assert (squares.sum(axis=1) % 2 == 0).all()
    assert counts.min() > 600


def test_every_source_is_told_by_its_kind():
    examples = {
        "segment": {},
        "sensorless": {"source": "s.npz"},
        "table": {"path": "t.csv", "hold_out": [1, "b"]},
        "toy": {"shape": "rings"},
        "fmnist": {"size": 16, "natural": ["mnist"]},
        "cifar10": {"hold_out": ["bird"], "natural": [{"set": "fmnist", "colourised": True}]},
        "images": {"id": "pictures.zip", "natural": ["svhn", {"path": "p.npz", "name": "p", "mixed": True}]},
    }
    assert {source.model_fields["kind"].default for source in DATASETS} == set(examples)
    for kind, values in examples.items():
        source = ANY.validate_python({"kind": kind, **values})
        assert type(source) in DATASETS
        assert ANY.validate_json(ANY.dump_json(source)) == source
    assert ANY.validate_python({"kind": "table", "path": "t.csv", "hold_out": [1]}) == Table(
        path="t.csv", hold_out=("1",)
    )
    with pytest.raises(ValidationError):
        ANY.validate_python({"kind": "toy", "shap": "rings"})


def test_table_is_called_after_its_file(tmp_path):
    path = tmp_path / "glass.csv"
    path.write_text("a,y\n1,2\n")
    assert Table(path=str(path), label_column="y").load().name == "glass"
    assert Table(path=str(path), label_column="y", name="my glass").load().name == "my glass"


def test_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert Path(Table(path="~/t.csv").load().source) == tmp_path / "t.csv"


def test_loading_segment_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split_dataset(Segment().load(), 0)
