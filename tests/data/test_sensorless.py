import numpy as np
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from ebmood.core.errors import EbmoodError
from ebmood.data import Sensorless, split_dataset


def sensorless_like(rows=12):
    """Return random data in the form of Sensorless: 48 features, classes 1 to 11."""
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


def test_an_npz_file_is_read(tmp_path):
    x, y = sensorless_like()
    np.savez(tmp_path / "s.npz", X=x, y=y)
    data = check_sensorless(Sensorless(source=str(tmp_path / "s.npz")))
    assert data.small
    assert [ood.name for ood in split_dataset(data, 0).test_ood][:2] == ["class-10", "class-11"]


def test_the_text_file_of_uci_is_read(tmp_path):
    x, y = sensorless_like()
    np.savetxt(tmp_path / "s.txt", np.column_stack([x, y]), fmt=["%.17g"] * 48 + ["%d"])
    check_sensorless(Sensorless(source=str(tmp_path / "s.txt")))


def test_a_csv_file_is_read(tmp_path):
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


def test_another_table_is_an_error(tmp_path):
    x, y = sensorless_like()
    np.savez(tmp_path / "s.npz", X=x[:, :40], y=y)
    with pytest.raises(EbmoodError, match=r"s\.npz: 40 features, but Sensorless has 48"):
        Sensorless(source=str(tmp_path / "s.npz")).load()
    np.savez(tmp_path / "s.npz", X=x, y=y % 5)
    with pytest.raises(EbmoodError, match=r"s\.npz: no class '10'.*0, 1, 2, 3, 4"):
        Sensorless(source=str(tmp_path / "s.npz")).load()


def test_openml_is_read_by_name_or_number(monkeypatch):
    x, y = sensorless_like()
    calls = []

    def fetch_openml(**settings):
        calls.append(settings)
        names = [f"Attribute{i}" for i in range(1, 49)]
        return Bunch(data=x, target=y.astype(str).astype(object), feature_names=names)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    check_sensorless(Sensorless())
    Sensorless(openml=12345).load()
    assert calls[0]["name"] == "Sensorless_drive_diagnosis"
    assert calls[1]["data_id"] == 12345


def test_all_rows_are_no_reduced_version(tmp_path):
    x = np.zeros((58_509, 48))
    np.savez_compressed(tmp_path / "s.npz", X=x, y=np.arange(58_509) % 11 + 1)
    assert not Sensorless(source=str(tmp_path / "s.npz")).load().small
    np.savez_compressed(tmp_path / "s.npz", X=x[1:], y=np.arange(58_508) % 11 + 1)
    assert Sensorless(source=str(tmp_path / "s.npz")).load().small
