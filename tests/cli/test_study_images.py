"""`ebmood study` with images: mistakes of users are errors in one line with exit code 2 and leave no files."""

import sys

import numpy as np
import pytest
import torch
from helpers.run_cli import run
from PIL import Image
from sklearn.datasets import load_digits

from ebmood.study.records import read_records

STUDY = """
datasets: {{kind: images, id: pictures, size: 8{more}}}
seeds: 1
embedding: {{kind: module, path: {path}, parameters: {{width: 5}}}}
recipes: [{{method: knn, embedding: true}}]
"""

NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 10))

    def forward(self, x):
        return self.layers(x)
"""


@pytest.fixture
def ebmood(tmp_path, monkeypatch):
    """Return a function that runs a study of `pictures/` with a network of the user."""
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "pictures").mkdir()
    for number, digit in enumerate(load_digits().images[:60]):
        Image.fromarray((digit * 15.9).astype(np.uint8)).save(tmp_path / "pictures" / f"{number:02}.png")
    (tmp_path / "picture_network.py").write_text(NETWORK)

    def command(*words, path="picture_network.Net", more=""):
        (tmp_path / "s.yaml").write_text(STUDY.format(path=path, more=more))
        words = ("study", tmp_path / "s.yaml", "--data", tmp_path, "-o", tmp_path / "out", "-j", 1, *words)
        return run(monkeypatch, *words)

    return command


@pytest.mark.slow
def test_a_network_next_to_the_study_file_and_skipped_data(ebmood, tmp_path):
    damaged = tmp_path / "pictures" / "07.png"
    damaged.write_bytes(damaged.read_bytes()[:50])
    code, _, err = ebmood("--skip-corrupt", "--skip-missing", more=", natural: [svhn]")
    assert code == 0, err
    (record,) = read_records(tmp_path / "out" / "records.jsonl")
    assert (record.status, record.embedding) == ("done", "Net")
    assert record.rows["train"] + record.rows["validation"] + record.rows["test"] == 59
    assert record.notes[1].startswith("1 damaged image left out (pictures/07.png: not a readable image")
    assert record.absent == {"svhn": "svhn was not found in the data folder"}
    assert "penultimate features of Net" in (tmp_path / "out" / "results.md").read_text()


def error_line(outcome, tmp_path):
    """Return the error message and check that no file was written."""
    code, out, err = outcome
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    return err


def test_a_network_that_cannot_be_imported(ebmood, tmp_path):
    err = error_line(ebmood(path="picture_network.Nett"), tmp_path)
    assert "s.yaml, line 5, recipes[0]: module 'picture_network.Nett' cannot be imported" in err
    assert "with a study, next to the study file" in err


def test_a_damaged_image_is_named(ebmood, tmp_path):
    damaged = tmp_path / "pictures" / "07.png"
    damaged.write_bytes(damaged.read_bytes()[:50])
    err = error_line(ebmood(), tmp_path)
    assert "pictures/07.png: not a readable image" in err
    assert "--skip-corrupt" in err
    assert list((tmp_path / "cache").glob("*")) == []


def test_images_of_different_kinds_and_empty_folders_are_named(ebmood, tmp_path):
    Image.new("L", (9, 8)).save(tmp_path / "pictures" / "30.png")
    assert "30.png is 9x8 greyscale, but the images before it are 8x8" in error_line(ebmood(), tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "30.png")
    assert "30.png is 8x8 colour, but the images before it are 8x8 greyscale" in error_line(
        ebmood(), tmp_path
    )
    for picture in (tmp_path / "pictures").iterdir():
        picture.unlink()
    assert "pictures: contains no images" in error_line(ebmood(), tmp_path)


def test_a_missing_natural_set_is_named_with_the_options(ebmood, tmp_path):
    err = error_line(ebmood(more=", natural: [svhn]"), tmp_path)
    assert "svhn was not found in" in err
    assert "--download (about 247 MB)" in err
    assert "--skip-missing" in err


def test_a_wrong_checksum_is_named(ebmood, tmp_path):
    (tmp_path / "test_32x32.mat").write_bytes(b"MATLAB 5.0")
    err = error_line(ebmood(more=", natural: [svhn]"), tmp_path)
    assert "test_32x32.mat: wrong checksum (MD5 " in err


def test_a_missing_device_is_named(ebmood, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in error_line(ebmood("--device", "cuda"), tmp_path)
