import hashlib

import numpy as np
import pytest
from helpers.small_recipes import SIZE, image_split, real_images, small_classifier

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import digest
from ebmood.data import Images
from ebmood.objectives import AdamW, CrossEntropy
from ebmood.recipes import Classifier, recipe_for
from ebmood.study.cell import Cell, run_cell
from ebmood.training import Checkpoints


def embedding_recipe(classifier, method="knn"):
    return recipe_for(method, "corrected", None, (1, SIZE, SIZE), embedding=classifier)


def test_embeddings_and_scores_share_one_training(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    split, classifier = image_split(), small_classifier()
    reports = []
    first = embedding_recipe(classifier).embed(split, 0, report=reports.append)
    assert {progress.stage for progress in reports} == {"WRN-10-1"}
    (file,) = tmp_path.glob("classifiers/*.safetensors")
    content = hashlib.sha256(file.read_bytes()).digest(), file.stat().st_mtime_ns
    for method in ("max-softmax", "logsumexp"):
        recipe_for(method, "corrected", None, (1, SIZE, SIZE), classifier=classifier).fit(split, seed=0)
    second = embedding_recipe(classifier).embed(split, 0)
    np.testing.assert_array_equal(first.train_x, second.train_x)
    assert (hashlib.sha256(file.read_bytes()).digest(), file.stat().st_mtime_ns) == content


def test_an_interrupted_training_resumes_to_equal_features(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "due", lambda self, step, fabric: step % 10 == 0)
    split, recipe = image_split(), embedding_recipe(small_classifier())
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "expected"))
    expected = recipe.embed(split, 0)

    def stop(progress):
        if progress.step == 35:
            raise KeyboardInterrupt

    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "interrupted"))
    with pytest.raises(KeyboardInterrupt):
        recipe.embed(split, 0, report=stop)
    reports = []
    resumed = recipe.embed(split, 0, report=reports.append)
    assert reports[0].step == 31
    np.testing.assert_array_equal(resumed.train_x, expected.train_x)
    files = sorted(path.suffix for path in (tmp_path / "interrupted" / "classifiers").iterdir())
    assert files == [".lock", ".safetensors"], "checkpoints are removed"


def test_rollbacks_are_in_the_record_of_every_cell_that_uses_the_classifier(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    x, y = real_images()
    np.savez(tmp_path / "images.npz", X=x, y=y)
    images = Images.model_validate({"id": "images.npz", "data": str(tmp_path), "size": SIZE})
    diverging = small_classifier(objective=CrossEntropy(optimiser=AdamW(lr=3e3)))
    cell = Cell(dataset=images, recipe=embedding_recipe(diverging), seed=0)
    trained, cached = run_cell(cell), run_cell(cell)
    assert trained.status == cached.status == "done"
    assert trained.events
    assert all(event.startswith("WRN-10-1: ") for event in trained.events), trained.events
    assert trained.events == cached.events
    assert not set(trained.events) & set(trained.notes)


def test_the_name_and_length_of_training_are_shown():
    assert small_classifier().name == "WRN-10-1"
    assert small_classifier().shortened
    assert embedding_recipe(small_classifier()).shortened
    assert not embedding_recipe(Classifier()).shortened


def test_classifiers_in_the_cache_of_version_0_1_remain_valid():
    assert digest(Classifier().key_settings()) == "01d081afef3de4fb"  # computed by version 0.1


def test_labels_are_required(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    split = image_split()
    unlabelled = split.__class__(**{**split.__dict__, "train_y": None})
    with pytest.raises(EbmoodError, match="needs labels of at least two classes"):
        small_classifier().fit(unlabelled, 0, "cpu")
