from pathlib import Path

import numpy as np
import pytest
from helpers.table_files import FORMATS, error_message, write_table

from ebmood.data import Table


@pytest.mark.parametrize("suffix", FORMATS)
def test_integer_and_text_labels_are_equivalent(tmp_path, suffix):
    x = np.arange(12.0).reshape(6, 2)
    for labels in ([9, 9, 10, 10, 11, 11], ["9", "9", "10", "10", "11", "11"]):
        path = write_table(tmp_path, suffix, x, labels)
        data = Table.model_validate({"path": str(path), "label_column": "y", "hold_out": [10]}).load()
        assert data.classes == ("9", "11")
        assert list(data.natural) == ["10"]
        np.testing.assert_array_equal(data.natural["10"], x[2:4])
        np.testing.assert_array_equal(data.x, x[[0, 1, 4, 5]])
        assert data.y is not None
        assert data.y.tolist() == [0, 0, 1, 1]


def test_integer_classes_are_sorted_by_value(csv):
    path = csv("a,y\n" + "".join(f"{i},{i}\n" for i in (10, 9, 2, 1)))
    assert Table(path=str(path), label_column="y").load().classes == ("1", "2", "9", "10")
    path = csv("a,y\n1,sky\n2,10\n3,grass\n")
    assert Table(path=str(path), label_column="y").load().classes == ("10", "grass", "sky")


def test_without_a_label_column_every_column_is_a_feature(csv):
    data = Table(path=str(csv("a,b\n1,2\n3,4\n"))).load()
    assert (data.y, data.classes, data.natural, data.features) == (None, (), {}, ("a", "b"))


def test_dropping_the_label_column_is_an_error(csv):
    error_message(csv("a,y\n1,2\n"), "'y'", "dropped", drop=("y",))


def test_the_error_for_a_missing_class_lists_the_classes(csv):
    error_message(csv("a,y\n1,grass\n2,path\n"), "'sky'", "grass, path", "hold_out", hold_out=("sky",))


def test_holding_out_all_classes_is_an_error(csv):
    error_message(csv("a,y\n1,grass\n2,path\n"), "all classes", hold_out=("grass", "path"))


def test_holding_out_without_labels_is_an_error(csv):
    error_message(csv("a,y\n1,2\n"), "hold_out", "label_column", label_column=None, hold_out=("2",))


def test_the_default_name_is_that_of_the_file(tmp_path):
    path = tmp_path / "glass.csv"
    path.write_text("a,y\n1,2\n")
    assert Table(path=str(path), label_column="y").load().name == "glass"
    assert Table(path=str(path), label_column="y", name="my glass").load().name == "my glass"


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert Path(Table(path="~/t.csv").load().source) == tmp_path / "t.csv"
