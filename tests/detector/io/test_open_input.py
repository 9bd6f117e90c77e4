import pytest

from ebmood.core.errors import EbmoodError
from ebmood.detector.io.open_input import open_input, open_table


@pytest.mark.parametrize(
    ("name", "message"), [("t.xls", "no such file"), ("t.csv", "no such file"), (".", "without .parquet")]
)
def test_files_that_do_not_exist_are_refused(tmp_path, name, message):
    with pytest.raises(EbmoodError, match=message):
        open_table(tmp_path / name)


def test_other_formats_are_refused(tmp_path):
    (tmp_path / "t.xls").write_text("a")
    with pytest.raises(EbmoodError, match=r"unknown format; give \.csv"):
        open_table(tmp_path / "t.xls")


@pytest.mark.parametrize(
    ("name", "message"), [("a.PNG", "is one image; give the folder"), ("x.pt", "load the array in Python")]
)
def test_one_image_and_arrays_are_no_tables_and_say_what_to_give(tmp_path, name, message):
    (tmp_path / name).touch()
    with pytest.raises(EbmoodError, match=message):
        open_input(tmp_path / name)


def test_a_folder_must_hold_one_kind_of_data(tmp_path):
    with pytest.raises(EbmoodError, match=r"without .parquet files and without images"):
        open_input(tmp_path)
    (tmp_path / "a.parquet").touch()
    (tmp_path / "b.png").touch()
    with pytest.raises(EbmoodError, match=r"contains tables \(a.parquet\) and images \(b.png\)"):
        open_input(tmp_path)
