"""Every image recipe learns sixty-four real pictures, and says what it is asked for in vain."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.core.metrics import separation
from ebmood.data import FMNIST, Images, Split
from ebmood.objectives import AdamW, CrossEntropy
from ebmood.recipes import IMAGE_METHODS, Classifier, recipe_for
from ebmood.study.cell import Cell, run_cell
from ebmood.training import Checkpoints, Training

SIZE = 8
NETWORK = {"width": 1, "stride_first": True}
FAST = {"lr": 1e-3, "betas": (0.0, 0.9)}
SHORT = {
    "ssm": (NETWORK, {"optimiser": {"lr": 2e-3}}, 60),
    "cd": (NETWORK, {"chain": {"steps": 10}, "buffer": 256, "optimiser": FAST}, 60),
    "vera": (NETWORK, {"resnet_channels": 16, "posterior_samples": 2, "energy": FAST, "generator": FAST}, 60),
    "realnvp": ({"channels": 8, "blocks": 1}, {"optimiser": {"lr": 3e-3}}, 80),
    "glow": ({"levels": 2, "steps": 2, "channels": 16}, {"optimiser": {"lr": 3e-3}}, 80),
}


def real_pictures() -> tuple[np.ndarray, np.ndarray]:
    """128 pictures `(N, 1, 8, 8)` and their classes: FMNIST where it is to hand, else scikit-learn's digits."""
    folder = os.environ.get("EBMOOD_DATA")
    if folder and Path(folder, "FashionMNIST", "raw").is_dir():
        data = FMNIST(size=SIZE, missing="note").load()
        assert data.y is not None
        return np.array(data.x[:128]), data.y[:128]
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.round(digits.images[:128] * (255 / 16)).astype(np.uint8)[:, None]
    return x, digits.target[:128].astype(np.int64)


@pytest.fixture(scope="module")
def split() -> Split:
    x, y = real_pictures()
    return Split("pictures", x[:64], x[64:96], x[96:], y[:64], y[64:96], y[96:], 10, (), (), 0, 0)


def short(method: str, gamma: float | None = None, **choice):
    recipe = recipe_for(method, "corrected", gamma, (1, SIZE, SIZE), **choice)
    model, objective, steps = SHORT[method]
    training = {"epochs": None, "steps": steps, "warmup": 5, "batch_size": 32, "augmentation": None}
    return recipe.overridden(model=model, objective=objective, training=training)


FLOWS = [("realnvp", None, None), ("glow", None, None)]
ENERGIES = [(m, *how) for m in ("ssm", "cd", "vera") for how in ((None, None), (1.0, None), (None, 0.5))]


@pytest.mark.parametrize(("method", "gamma", "bottleneck"), ENERGIES + FLOWS)
def test_overfits_real_pictures_against_noise(method, gamma, bottleneck, split):
    begun = time.process_time()
    fitted = short(method, gamma, bottleneck=bottleneck).fit(split, seed=0)
    assert time.process_time() - begun < 60  # of a processor's seconds, whatever else it has to do
    noise = np.random.default_rng(0).integers(0, 256, size=(64, 1, SIZE, SIZE), dtype=np.uint8)
    inside, outside = fitted.scorer.score_samples(split.train_x), fitted.scorer.score_samples(noise)
    assert separation(inside, outside).auroc > 0.95


def test_embeddings_and_classifiers_share_one_training(split, tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    classifier = Classifier(
        model=Classifier().model.updated(depth=10, width=1, stride_first=True),
        training=Classifier().training.updated(epochs=None, steps=40, warmup=4, batch_size=32, drops=None),
    )
    shape = split.train_x.shape[1:]
    told = []
    recipe_for("knn", "corrected", None, shape, embedding=classifier).sees(split, 0, report=told.append)
    assert {progress.stage for progress in told} == {"WRN-10-1"}
    scores = {}
    for method in ("max-softmax", "logsumexp"):
        recipe = recipe_for(method, "corrected", None, shape, classifier=classifier)
        scores[method] = recipe.fit(split, seed=0).scorer.score_samples(split.train_x)
    (kept,) = tmp_path.glob("classifiers/*.safetensors")
    written = kept.stat().st_mtime_ns
    recipe = recipe_for("knn", "corrected", None, shape, embedding=classifier)
    seen = recipe.sees(split, seed=0)
    assert kept.stat().st_mtime_ns == written
    assert seen.train_x.shape == (64, 64)
    assert seen.train_x.min() == 0
    assert seen.train_x.max() == 1
    assert seen.validation_x.shape == (32, 64)
    assert recipe.label == "knn embedding"
    assert recipe.shortened  # for its classifier is
    assert not recipe_for("knn", "corrected", None, shape, embedding=Classifier()).shortened
    # What the head makes of the features is what the classifier's scores are made of.
    assert (scores["max-softmax"] <= 0).all()
    assert np.isfinite(scores["logsumexp"]).all()
    again = recipe.sees(split, seed=0)
    np.testing.assert_array_equal(seen.train_x, again.train_x)


def small_classifier(**settings) -> Classifier:
    return Classifier(
        model=Classifier().model.updated(depth=10, width=1, stride_first=True),
        training=Training(steps=40, warmup=0, batch_size=32),
        **settings,
    )


def test_a_classifier_that_was_killed_goes_on_to_the_same_features(split, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoints, "due", lambda self, step, fabric: step % 10 == 0)
    recipe = recipe_for("knn", "corrected", None, split.train_x.shape[1:], embedding=small_classifier())
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "whole"))
    whole = recipe.sees(split, 0)

    def stop(progress):
        if progress.step == 35:
            raise KeyboardInterrupt

    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "killed"))
    with pytest.raises(KeyboardInterrupt):
        recipe.sees(split, 0, report=stop)
    told = []
    again = recipe.sees(split, 0, report=told.append)
    assert told[0].step == 31
    np.testing.assert_array_equal(again.train_x, whole.train_x)
    left = sorted(path.suffix for path in (tmp_path / "killed" / "classifiers").iterdir())
    assert left == [".lock", ".safetensors"], "no checkpoints"


def test_what_a_classifier_healed_stands_in_every_record_of_its_features(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    x, y = real_pictures()
    np.savez(tmp_path / "pictures.npz", X=x, y=y)
    images = Images.model_validate({"id": "pictures.npz", "data": str(tmp_path), "size": SIZE})
    steep = small_classifier(objective=CrossEntropy(optimiser=AdamW(lr=3e3)))
    recipe = recipe_for("knn", "corrected", None, (1, SIZE, SIZE), embedding=steep)
    trained, cached = (run_cell(Cell(dataset=images, recipe=recipe, seed=0)) for _ in range(2))
    assert trained.status == cached.status == "done"
    assert trained.events
    assert all(event.startswith("WRN-10-1: ") for event in trained.events), trained.events
    assert trained.events == cached.events
    assert not set(trained.events) & set(trained.notes), "said once"


def test_the_noise_at_test_is_the_same_for_every_call(split):
    scorer = short("cd").overridden(training={"steps": 1}).fit(split, seed=0).scorer
    np.testing.assert_array_equal(scorer.score_samples(split.test_x), scorer.score_samples(split.test_x))


def test_paper_differs_in_what_the_protocol_says():
    def of(method, gamma, variant):
        return recipe_for(method, variant, gamma, (3, 32, 32))

    assert of("vera", None, "paper").objective.gradient_penalty == pytest.approx(0.1 / 32**2)
    assert of("vera", None, "corrected").objective.gradient_penalty == 0.1
    embedded = recipe_for("vera", "paper", None, (1, 28, 28), embedding=Classifier())
    assert embedded.training.batch_size == 128
    assert embedded.objective.gradient_penalty == pytest.approx(0.1 / 128**2)
    assert of("cd", 1.0, "paper").objective.chain.steps == 20
    assert of("cd", 1.0, "corrected").objective.chain.steps == 100
    assert of("cd", None, "paper") == of("cd", None, "corrected")
    assert of("ssm", None, "paper").degenerate
    assert of("ssm", None, "paper").objective.over == "last"
    assert not of("ssm", None, "corrected").degenerate


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"method": "spline", "shape": (1, 8, 8)}, "none for images"),
        ({"method": "glow", "shape": (18,)}, "none for tables"),
        ({"method": "cd", "shape": (18,), "bottleneck": 0.1}, "bottleneck"),
        ({"method": "cd", "shape": (18,), "embedding": Classifier()}, "this data set is a table"),
        ({"method": "glow", "shape": (1, 8, 8), "bottleneck": 0.1}, "has no bottleneck"),
        ({"method": "glow", "shape": (1, 8, 8), "gamma": 1.0}, "takes no gamma"),
    ],
)
def test_what_cannot_be_had_is_said(request_, message):
    with pytest.raises(EbmoodError, match=message):
        recipe_for(**{"variant": "corrected", "gamma": None, **request_})


def test_every_method_has_a_recipe():
    for method in IMAGE_METHODS:
        assert recipe_for(method, "corrected", None, (1, 32, 32)).method == method
