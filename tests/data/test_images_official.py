"""The sets of torchvision, read from tiny files of their true formats, and fetched from an archive on disk."""

import shutil
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from threading import Thread

import numpy as np
import pytest
import torchvision.datasets
from written_images import (
    idx_bytes,
    md5,
    pixels,
    png,
    write,
    write_celeba,
    write_cifar,
    write_lmdb,
    write_mnist_like,
    write_svhn,
    write_textures,
)

from ebmood.core.errors import DataWarning
from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.readers import CorruptDataError, MissingDataError


def read(part):
    pictures = part.read()
    images = np.stack([np.asarray(pictures.picture(i)) for i in range(pictures.count)])
    return images, None if pictures.labels is None else pictures.labels.tolist()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "folder", "first"),
    [("fmnist", "FashionMNIST", "T-shirt/top"), ("mnist", "MNIST", "0 - zero"), ("kmnist", "KMNIST", "o")],
)
def test_mnist_and_its_likes(tmp_path, name, folder, first, suffix):
    made = write_mnist_like(tmp_path, folder, suffix=suffix)
    parts = ImageSet(set=name).find(tmp_path)
    assert parts.official
    for part, (x, y) in ((parts.train, made["train"]), (parts.test, made["test"])):
        images, labels = read(part)
        np.testing.assert_array_equal(images, x)
        assert labels[0] == first
        assert labels == [getattr(torchvision.datasets, folder).classes[k] for k in y]


def test_a_natural_set_needs_no_more_than_its_test_images(tmp_path):
    write(tmp_path / "KMNIST" / "raw" / "t10k-images-idx3-ubyte.gz", idx_bytes(pixels(5, 28, 28)))
    parts = ImageSet(set="kmnist").find(tmp_path)
    assert parts.train is None
    assert read(parts.test)[1] is None


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar(tmp_path, monkeypatch, name):
    made = write_cifar(tmp_path, monkeypatch, name)
    parts = ImageSet(set=name.lower()).find(tmp_path)
    for part, (x, y) in ((parts.train, made["train"]), (parts.test, made["test"])):
        images, labels = read(part)
        np.testing.assert_array_equal(images, x.transpose(0, 2, 3, 1))
        assert labels == [f"class-{k}" for k in y]


def test_cifar_with_a_wrong_checksum_or_a_missing_file(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, "CIFAR10")
    folder = tmp_path / "cifar-10-batches-py"
    batch = folder / "data_batch_3"
    batch.write_bytes(batch.read_bytes() + b"!")
    part = ImageSet(set="cifar10").find(tmp_path).train
    with pytest.raises(
        CorruptDataError, match=r"data_batch_3: wrong checksum \(MD5 \w+, should be \w+\); delete it"
    ):
        part.read()
    batch.unlink()
    with pytest.raises(
        MissingDataError, match="data_batch_3: no such file; its folder holds only a part of the set"
    ):
        part.read()


def test_svhn(tmp_path, monkeypatch):
    x, y = write_svhn(tmp_path, monkeypatch)
    parts = ImageSet(set="svhn").find(tmp_path)
    assert parts.train is None
    images, labels = read(parts.test)
    np.testing.assert_array_equal(images, x.transpose(0, 2, 3, 1))
    assert labels == [str(k) for k in y]  # "0" and not "10"
    (tmp_path / "test_32x32.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(CorruptDataError, match=r"test_32x32\.mat: wrong checksum"):
        parts.test.read()


def test_textures(tmp_path):
    x = write_textures(tmp_path / "dtd")
    parts = ImageSet(set="textures").find(tmp_path)
    pictures = parts.test.read()
    assert parts.test.mixed
    assert pictures.labels.tolist() == ["dotted", "dotted", "banded", "banded"]
    for i, values in enumerate(x.values()):
        np.testing.assert_array_equal(np.asarray(pictures.picture(i)), values)
    name = list(x)[2]
    write(tmp_path / "dtd" / "dtd" / "images" / name, b"<html>")
    with pytest.raises(CorruptDataError, match=rf"{name}: is no image that can be read"):
        pictures.picture(2)


def test_celeba(tmp_path, monkeypatch):
    x = write_celeba(tmp_path / "celeba", monkeypatch)
    parts = ImageSet(set="celeba").find(tmp_path)
    np.testing.assert_array_equal(read(parts.train)[0], x[:2])
    np.testing.assert_array_equal(read(parts.test)[0], x[3:])
    listing = tmp_path / "celeba" / "list_eval_partition.txt"
    listing.write_text(listing.read_text() + "000007.jpg 2\n")
    with pytest.raises(CorruptDataError, match=r"list_eval_partition\.txt: wrong checksum"):
        parts.test.read()


@pytest.mark.parametrize("inside", [".", "lsun"])
def test_lsun_as_its_makers_hand_it_out(tmp_path, inside):
    x = {
        f"{key}1c44e5f5175a7e6358d207660f971d90abaf4": pixels(1, 30 + key, 26, 3, seed=key)[0]
        for key in range(4)
    }
    for category, keys in {"church_outdoor": (0, 2), "tower": (1,)}.items():
        write_lmdb(
            tmp_path / inside / f"{category}_val_lmdb", {list(x)[key]: x[list(x)[key]] for key in keys}
        )
    part = ImageSet(set="lsun").find(tmp_path).test
    pictures = part.read()
    assert part.mixed
    assert pictures.labels.tolist() == ["church_outdoor"] * 2 + ["tower"]
    for number, key in enumerate((0, 2, 1)):
        np.testing.assert_array_equal(np.asarray(pictures.picture(number)), list(x.values())[key])
    write_lmdb(tmp_path / inside / "test_lmdb", x)
    parts = ImageSet(set="lsun").find(tmp_path)
    pictures = parts.test.read()
    assert parts.train is None
    assert pictures.labels is None
    assert pictures.names[3].startswith("test_lmdb/31c44e5f")
    np.testing.assert_array_equal(np.asarray(pictures.picture(3)), list(x.values())[3])


def test_damaged_lsun_is_named(tmp_path):
    x = {f"{key:040}": pixels(1, 60, 60, 3, seed=key)[0] for key in range(9)}
    write_lmdb(tmp_path / "test_lmdb", x)
    part = ImageSet(set="lsun").find(tmp_path).test
    file = tmp_path / "test_lmdb" / "data.mdb"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    with pytest.raises(
        CorruptDataError, match=r"test_lmdb: data\.mdb holds \d+ bytes where its head promises"
    ):
        part.read()
    file.write_bytes(b"<html>" * 2000)
    with pytest.raises(CorruptDataError, match="test_lmdb: is no LMDB database that can be read"):
        part.read()
    other = tmp_path / "other"
    write_lmdb(other / "test_lmdb", x)
    file = other / "test_lmdb" / "data.mdb"
    at = file.read_bytes().index(png(list(x.values())[4])[:64])
    file.write_bytes(file.read_bytes()[:at] + bytes(64) + file.read_bytes()[at + 64 :])
    pictures = ImageSet(set="lsun").find(other).test.read()
    with pytest.raises(CorruptDataError, match=r"test_lmdb: 0+4: is no image that can be read"):
        pictures.picture(4)


def test_what_is_missing_is_told_with_its_place_and_size(tmp_path):
    with pytest.raises(MissingDataError) as caught:
        ImageSet(set="cifar100").find(tmp_path)
    assert str(caught.value) == (
        f"cifar100 is not under {tmp_path}; put its files at cifar-100-python there, or cifar100/ (a folder of "
        "images), cifar100.zip, cifar100.npz or cifar100-test-images-idx3-ubyte.gz; or fetch it: "
        "`download: true`, or --download (about 170 MB)"
    )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a server of the folder `server`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "server").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "server"))) as http:
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def kmnist(tmp_path, server, monkeypatch):
    """A tiny KMNIST on the server, which torchvision takes for the true one: its folder, and its images."""
    made = write_mnist_like(tmp_path / "server", "KMNIST", suffix=".gz")
    raw = tmp_path / "server" / "KMNIST" / "raw"
    kind = torchvision.datasets.KMNIST
    monkeypatch.setattr(kind, "mirrors", [f"{server}/KMNIST/raw/"])
    monkeypatch.setattr(kind, "resources", [(name, md5(raw / name)) for name, _ in kind.resources])
    return raw, made


def test_download(tmp_path, kmnist, capsys):
    raw, made = kmnist
    data = tmp_path / "data"
    with pytest.warns(DataWarning, match=r"downloading KMNIST \(about 21 MB\) to "):
        parts = ImageSet(set="kmnist").find(data, download=True)
    np.testing.assert_array_equal(read(parts.test)[0], made["test"][0])
    shutil.rmtree(raw)
    ImageSet(set="kmnist").find(data, download=True)  # it is there: nothing is fetched, nothing warned of


def test_what_is_there_by_its_name_is_not_downloaded(tmp_path, kmnist):
    x = pixels(5, 28, 28, seed=3)
    write(tmp_path / "data" / "kmnist-test-images-idx3-ubyte.gz", idx_bytes(x))
    parts = ImageSet(set="kmnist").find(tmp_path / "data", download=True)  # a download would warn
    np.testing.assert_array_equal(read(parts.test)[0], x)


def test_download_with_a_wrong_checksum(tmp_path, kmnist, capsys):
    write(kmnist[0] / "t10k-images-idx3-ubyte.gz", b"something else")
    message = r"KMNIST: what was downloaded has a wrong checksum \(.*try again, or put its files at"
    with pytest.warns(DataWarning), pytest.raises(CorruptDataError, match=message):
        ImageSet(set="kmnist").find(tmp_path / "data", download=True)


def test_download_without_a_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/dtd.tar.gz"
        monkeypatch.setattr(torchvision.datasets.DTD, "_URL", address)
        with pytest.warns(DataWarning, match="about 626 MB"), pytest.raises(MissingDataError) as caught:
            ImageSet(set="textures").find(tmp_path / "data", download=True)
    assert "DTD: the download failed (" in str(caught.value)
    assert "refused" in str(caught.value)
    assert str(caught.value).endswith(f"; connect, or put its files at {tmp_path / 'data' / 'dtd' / 'dtd'}")
    assert "\n" not in str(caught.value)


def test_download_of_an_archive(tmp_path, server, monkeypatch, capsys):
    x = write_textures(tmp_path / "made")
    archive = tmp_path / "server" / "dtd.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "made" / "dtd", arcname="dtd")
    monkeypatch.setattr(torchvision.datasets.DTD, "_URL", f"{server}/dtd.tar.gz")
    monkeypatch.setattr(torchvision.datasets.DTD, "_MD5", md5(archive))
    with pytest.warns(DataWarning):
        parts = ImageSet(set="textures").find(tmp_path / "data", download=True)
    np.testing.assert_array_equal(np.asarray(parts.test.read().picture(0)), next(iter(x.values())))
