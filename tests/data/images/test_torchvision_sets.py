"""The data sets of torchvision, read from small files in their original formats, and downloaded from a local server."""

import shutil
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from threading import Thread

import numpy as np
import pytest
import torchvision.datasets
from helpers.images import (
    idx_bytes,
    md5,
    pixels,
    write,
    write_celeba,
    write_cifar,
    write_mnist_like,
    write_svhn,
    write_textures,
)

from ebmood.core.errors import DataWarning
from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.readers import CorruptDataError, MissingDataError


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "folder", "first_label"),
    [("fmnist", "FashionMNIST", "T-shirt/top"), ("mnist", "MNIST", "0 - zero"), ("kmnist", "KMNIST", "o")],
)
def test_mnist_fmnist_and_kmnist_are_read(tmp_path, name, folder, first_label, suffix):
    written = write_mnist_like(tmp_path, folder, suffix=suffix)
    parts = ImageSet(set=name).find(tmp_path)
    assert parts.official
    for part, (x, y) in ((parts.train, written["train"]), (parts.test, written["test"])):
        images, labels = read(part)
        np.testing.assert_array_equal(images, x)
        assert labels[0] == first_label
        assert labels == [getattr(torchvision.datasets, folder).classes[k] for k in y]


def test_the_test_images_are_sufficient_for_a_natural_set(tmp_path):
    write(tmp_path / "KMNIST" / "raw" / "t10k-images-idx3-ubyte.gz", idx_bytes(pixels(5, 28, 28)))
    parts = ImageSet(set="kmnist").find(tmp_path)
    assert parts.train is None
    assert read(parts.test)[1] is None


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_is_read(tmp_path, monkeypatch, name):
    written = write_cifar(tmp_path, monkeypatch, name)
    parts = ImageSet(set=name.lower()).find(tmp_path)
    for part, (x, y) in ((parts.train, written["train"]), (parts.test, written["test"])):
        images, labels = read(part)
        np.testing.assert_array_equal(images, x.transpose(0, 2, 3, 1))
        assert labels == [f"class-{k}" for k in y]


def test_cifar_with_a_wrong_checksum_or_a_missing_file_is_an_error(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, "CIFAR10")
    folder = tmp_path / "cifar-10-batches-py"
    batch = folder / "data_batch_3"
    batch.write_bytes(batch.read_bytes() + b"!")
    part = ImageSet(set="cifar10").find(tmp_path).train
    with pytest.raises(
        CorruptDataError, match=r"data_batch_3: wrong checksum \(MD5 \w+, expected \w+\); delete it"
    ):
        part.read()
    batch.unlink()
    with pytest.raises(
        MissingDataError, match="data_batch_3: no such file; its folder contains only a part of the set"
    ):
        part.read()


def test_svhn_is_read(tmp_path, monkeypatch):
    x, y = write_svhn(tmp_path, monkeypatch)
    parts = ImageSet(set="svhn").find(tmp_path)
    assert parts.train is None
    images, labels = read(parts.test)
    np.testing.assert_array_equal(images, x.transpose(0, 2, 3, 1))
    assert labels == [str(k) for k in y]  # "0" and not "10"
    (tmp_path / "test_32x32.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(CorruptDataError, match=r"test_32x32\.mat: wrong checksum"):
        parts.test.read()


def test_textures_are_read(tmp_path):
    x = write_textures(tmp_path / "dtd")
    parts = ImageSet(set="textures").find(tmp_path)
    sequence = parts.test.read()
    assert parts.test.mixed
    assert sequence.labels.tolist() == ["dotted", "dotted", "banded", "banded"]
    for i, values in enumerate(x.values()):
        np.testing.assert_array_equal(np.asarray(sequence.load(i)), values)
    name = list(x)[2]
    write(tmp_path / "dtd" / "dtd" / "images" / name, b"<html>")
    with pytest.raises(CorruptDataError, match=rf"{name}: not a readable image"):
        sequence.load(2)


def test_celeba_is_read(tmp_path, monkeypatch):
    x = write_celeba(tmp_path / "celeba", monkeypatch)
    parts = ImageSet(set="celeba").find(tmp_path)
    np.testing.assert_array_equal(read(parts.train)[0], x[:2])
    np.testing.assert_array_equal(read(parts.test)[0], x[3:])
    listing = tmp_path / "celeba" / "list_eval_partition.txt"
    listing.write_text(listing.read_text() + "000007.jpg 2\n")
    with pytest.raises(CorruptDataError, match=r"list_eval_partition\.txt: wrong checksum"):
        parts.test.read()


def test_the_error_for_missing_files_contains_their_location_and_size(tmp_path):
    with pytest.raises(MissingDataError) as caught:
        ImageSet(set="cifar100").find(tmp_path)
    assert str(caught.value) == (
        f"cifar100 was not found in {tmp_path}; put its files at cifar-100-python there, or cifar100/ (a folder of "
        "images), cifar100.zip, cifar100.npz or cifar100-test-images-idx3-ubyte.gz; or download it: "
        "`download: true`, or --download (about 170 MB)"
    )


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve the folder `server`, and return the address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "server").mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(QuietHandler, directory=str(tmp_path / "server"))
    ) as http:
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def kmnist(tmp_path, server, monkeypatch):
    """Put a small KMNIST on the server, and let torchvision use it. Return its folder and its images."""
    written = write_mnist_like(tmp_path / "server", "KMNIST", suffix=".gz")
    raw = tmp_path / "server" / "KMNIST" / "raw"
    kind = torchvision.datasets.KMNIST
    monkeypatch.setattr(kind, "mirrors", [f"{server}/KMNIST/raw/"])
    monkeypatch.setattr(kind, "resources", [(name, md5(raw / name)) for name, _ in kind.resources])
    return raw, written


def test_missing_files_are_downloaded_once(tmp_path, kmnist, capsys):
    raw, written = kmnist
    data = tmp_path / "data"
    with pytest.warns(DataWarning, match=r"downloading KMNIST \(about 21 MB\) to "):
        parts = ImageSet(set="kmnist").find(data, download=True)
    np.testing.assert_array_equal(read(parts.test)[0], written["test"][0])
    shutil.rmtree(raw)
    ImageSet(set="kmnist").find(data, download=True)  # without a second download, which would warn


def test_sets_that_are_found_by_name_are_not_downloaded(tmp_path, kmnist):
    x = pixels(5, 28, 28, seed=3)
    write(tmp_path / "data" / "kmnist-test-images-idx3-ubyte.gz", idx_bytes(x))
    parts = ImageSet(set="kmnist").find(tmp_path / "data", download=True)  # a download would warn
    np.testing.assert_array_equal(read(parts.test)[0], x)


def test_a_download_with_a_wrong_checksum_is_an_error(tmp_path, kmnist, capsys):
    write(kmnist[0] / "t10k-images-idx3-ubyte.gz", b"something else")
    message = r"KMNIST: the downloaded file has a wrong checksum \(.*try again, or put its files at"
    with pytest.warns(DataWarning), pytest.raises(CorruptDataError, match=message):
        ImageSet(set="kmnist").find(tmp_path / "data", download=True)


def test_a_download_without_a_network_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket() as closed:  # bound, so that no other process listens
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/dtd.tar.gz"
        monkeypatch.setattr(torchvision.datasets.DTD, "_URL", address)
        with pytest.warns(DataWarning, match="about 626 MB"), pytest.raises(MissingDataError) as caught:
            ImageSet(set="textures").find(tmp_path / "data", download=True)
    assert "DTD: the download failed (" in str(caught.value)
    assert "refused" in str(caught.value)
    assert str(caught.value).endswith(
        f"; connect to the network, or put its files at {tmp_path / 'data' / 'dtd' / 'dtd'}"
    )
    assert "\n" not in str(caught.value)


def test_an_archive_is_downloaded_and_extracted(tmp_path, server, monkeypatch, capsys):
    x = write_textures(tmp_path / "original")
    archive = tmp_path / "server" / "dtd.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "original" / "dtd", arcname="dtd")
    monkeypatch.setattr(torchvision.datasets.DTD, "_URL", f"{server}/dtd.tar.gz")
    monkeypatch.setattr(torchvision.datasets.DTD, "_MD5", md5(archive))
    with pytest.warns(DataWarning):
        parts = ImageSet(set="textures").find(tmp_path / "data", download=True)
    np.testing.assert_array_equal(np.asarray(parts.test.read().load(0)), next(iter(x.values())))
