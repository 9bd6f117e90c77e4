"""A study of images from files to records: pixels, bottleneck, embedding, a classifier's own score."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ebmood.core.errors import EbmoodError
from ebmood.data import Split
from ebmood.models import RealNVP, Scorer
from ebmood.recipes.recipe import DensityScorer
from ebmood.study.cell import run_cell
from ebmood.study.entries import ImageFiles
from ebmood.study.evidence import bits
from ebmood.study.spec import load_study

STUDY = """
title: digits
datasets:
  kind: images
  id: digits.npz
  hold_out: ["8", "9"]
  natural: [elsewhere.npz]
  size: 8
  missing: note
seeds: 1
embedding:
  kind: classifier
  model: {depth: 10, width: 1, stride_first: true}
  training: {epochs: null, steps: 3, warmup: 0, batch_size: 16, drops: null}
recipes:
  - method: cd
    bottleneck: [null, 0.5]
    model: {width: 1, stride_first: true}
    objective: {chain: {steps: 2}, buffer: 64}
    training: {epochs: null, steps: 2, warmup: 0, batch_size: 16}
  - {method: knn, embedding: true}
  - max-softmax
  - {method: realnvp, model: {channels: 4, blocks: 1}, training: {epochs: 2, batch_size: 64}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    digits = load_digits()
    x = np.round(digits.images[:400] * (255 / 16)).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", X=x, y=digits.target[:400])
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_from_files_to_records(folder):
    study = load_study(str(folder / "study.yaml"), files=ImageFiles(data=str(folder)))
    assert [task.cell.recipe.label for task in study.tasks] == [
        "cd",
        "cd bottleneck=0.5",
        "knn embedding",
        "max-softmax",
        "realnvp",
    ]
    records = [run_cell(task.cell) for task in study.tasks]
    assert [record.reason for record in records] == [None] * 5
    assert [record.bottleneck for record in records] == [None, 0.5, None, None, None]
    assert [record.embedding for record in records] == [None, None, "WRN-10-1", None, None]
    assert [list(record.pictures) for record in records] == [["chains"], ["chains"], [], [], []]
    assert [record.bits_per_dim is None for record in records] == [True] * 4 + [False]
    untrained = 8 + math.log2(2 * math.pi) / 2 + 0.25 / (2 * math.log(2))  # at most: the identity, |z| <= 1/2
    assert 1 < records[4].bits_per_dim < untrained
    kinds = {result.name: result.kind for result in records[0].results}
    assert kinds.pop("8") == kinds.pop("9") == "natural"
    assert {"uniform", "gaussian", "constant"} <= {n for n, kind in kinds.items() if kind == "non-natural"}
    assert {"shuffled-pixels", "edges"} <= {n for n, kind in kinds.items() if kind == "low-level"}
    assert all(list(record.absent) == ["elsewhere"] for record in records)
    assert not any(str(folder) in record.model_dump_json() for record in records)


def test_bits_per_dimension_of_the_identity_are_the_closed_form():
    """Bytes spread over their bins, z = (b + u) / 256 - 1/2, cost log2(256) - E log2 N(z; 0, 1) bits."""
    x = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    split = Split("noise", x, x, x, None, None, None, 0, (), (), 0, 0)
    flow = RealNVP(channels=4, blocks=1).build(split, 1)  # it starts at the identity
    centres = (x + 0.5) / 256 - 0.5
    square = np.mean(centres**2) + 1 / (12 * 256**2)
    closed = 8 + (math.log(2 * math.pi) + square) / (2 * math.log(2))
    assert bits(DensityScorer(flow, torch.device("cpu")), x, 0) == pytest.approx(closed, abs=1e-4)
    assert bits(ZeroScorer(), x, 0) is None


class ZeroScorer(Scorer):
    def score_samples(self, x):
        return np.zeros(len(x))


def test_where_the_images_lie_has_no_part_in_the_key(folder):
    here = load_study(str(folder / "study.yaml"), files=ImageFiles(data=str(folder)))
    other = folder / "other"
    other.mkdir()
    (folder / "digits.npz").rename(other / "digits.npz")
    there = load_study(str(folder / "study.yaml"), files=ImageFiles(data=str(other)))
    assert [task.key for task in here.tasks] == [task.key for task in there.tasks]


def test_tables_have_no_embeddings(tmp_path):
    (tmp_path / "study.yaml").write_text("datasets: segment\nrecipes: [{method: knn, embedding: true}]\n")
    with pytest.raises(EbmoodError, match=r"recipes\[0\].*this data set is a table"):
        load_study(str(tmp_path / "study.yaml"))
