"""The memory score against the energies of `ebmood.models.memory` on prepared coordinates, and its groups of rows."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs
from scipy.spatial.distance import cdist

from ebmood.models.memory import MemoryEnergy, MemorySettings, RelativeDistance
from ebmood.scores import FitRows, FittedScore, MemoryScore, Outputs

SPACES = ("normalised", "whitened")


def energies_by_scipy(rows: np.ndarray, new: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both energies of held rows, each left out, and of new rows: `(2, M)` and `(2, N)`."""
    among = torch.from_numpy(cdist(rows, rows) ** 2).fill_diagonal_(torch.inf)
    apart = torch.from_numpy(cdist(new, rows) ** 2)
    memory = MemoryEnergy(len(rows)).fit(among, MemorySettings())
    relative = RelativeDistance(len(rows), MemorySettings()).fit(among)
    return tuple(
        torch.stack([relative(squared), memory(squared.clone())]) for squared in (among.clone(), apart)
    )


def test_one_memory_of_normalised_features_has_the_z_scores_of_scipys_distances():
    data = classifier_outputs()
    rows, new = (
        x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)
        for x in (data.fit.outputs.features, data.new.features)
    )
    of_held, of_new = energies_by_scipy(rows, new)
    center = np.quantile(of_held, 0.5, axis=1, keepdims=True)
    scale = np.quantile(of_held, 0.95, axis=1, keepdims=True) - center
    expected = -((of_new.numpy() - center) / scale).mean(0)
    scores = MemoryScore(space="normalised", classes="none").fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)


def test_the_best_class_is_the_largest_of_scores_of_each_class_alone():
    data = classifier_outputs()
    outputs, labels = data.fit.outputs, data.fit.labels
    alone = [
        MemoryScore(space="normalised", classes="none")
        .fit(FitRows(outputs.take(labels == k)))
        .score_samples(data.new)
        for k in range(4)
    ]
    scores = MemoryScore(space="normalised").fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, np.max(alone, axis=0), atol=1e-9)


@pytest.mark.parametrize("space", SPACES)
def test_the_median_of_leave_one_out_scores_is_zero_and_far_rows_are_lower(space):
    data = classifier_outputs()
    score = MemoryScore(space=space, energies="memory")
    _, held, of_held = score.fit_with_scores(data.fit)
    assert len(held) == (150 if space == "whitened" else 300)
    assert float(of_held.median()) == pytest.approx(0, abs=0.02)
    assert float((of_held < -1).double().mean()) == pytest.approx(0.05, abs=0.01)
    fitted = score.fit(data.fit)
    assert np.median(fitted.score_samples(data.other)) < np.median(fitted.score_samples(data.new))


def test_a_scale_of_the_features_changes_no_score():
    data = classifier_outputs()
    for space in SPACES:
        score = MemoryScore(space=space, classes="none", energies="memory")
        expected = score.fit(data.fit).score_samples(data.new)
        rows = FitRows(Outputs(5 * data.fit.outputs.features, data.fit.outputs.logits), data.fit.labels)
        scores = score.fit(rows).score_samples(Outputs(5 * data.new.features, data.new.logits))
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_small_classes_share_a_memory():
    data = classifier_outputs()
    features = data.fit.outputs.features / data.fit.outputs.features.norm(dim=1, keepdim=True)

    def memories(fitted: FittedScore) -> list[range]:
        """Return the rows of the fit that each memory holds; they must be consecutive."""
        held = [fitted.get_buffer(f"rows_{k}") for k in range(len(fitted.get_buffer("z_center")))]
        first = [int((features == rows[0]).all(1).int().argmax()) for rows in held]
        parts = [range(start, start + len(rows)) for start, rows in zip(first, held, strict=True)]
        for part, rows in zip(parts, held, strict=True):
            torch.testing.assert_close(rows, features[part.start : part.stop])
        return parts

    labels = torch.cat([torch.zeros(280), torch.ones(8), torch.full((7,), 2), torch.full((5,), 3)]).long()
    fitted = MemoryScore().fit(FitRows(data.fit.outputs, labels))
    assert memories(fitted) == [range(280), range(280, 300)]
    few = torch.cat([torch.zeros(298), torch.ones(2)]).long()
    fitted = MemoryScore().fit(FitRows(data.fit.outputs, few))
    assert memories(fitted) == [range(300)]
    assert np.isfinite(fitted.score_samples(data.new)).all()


def test_a_sample_of_the_rows_is_held_and_does_not_depend_on_anything_else():
    rows = classifier_outputs().fit
    first, again = (MemoryScore(rows=50).fit_with_scores(rows)[1] for _ in range(2))
    assert len(first) == 50
    assert first.tolist() == again.tolist() == sorted(first.tolist())
    assert MemoryScore(rows=50, seed=1).fit_with_scores(rows)[1].tolist() != first.tolist()


@pytest.mark.parametrize("rows", [120, 600])
def test_leave_one_out_scores_are_those_of_new_rows_even_with_more_features_than_rows(rows):
    """The whitening has rows of its own: with the same rows, all new rows would be below all that are held."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(200, 200)) * np.exp(-np.arange(200) / 50)

    def outputs(count: int) -> Outputs:
        return Outputs.of_arrays(rng.normal(size=(count, 200)) @ root, np.zeros((count, 2)))

    score = MemoryScore(space="whitened", energies="memory")
    fit, new = FitRows(outputs(rows)), outputs(500)
    held = score.fit_with_scores(fit)[2].numpy()
    below = (score.fit(fit).score_samples(new) < np.quantile(held, 0.1)).mean()
    assert below == pytest.approx(0.1, abs=0.1)
    assert np.median(score.fit(fit).score_samples(new)) == pytest.approx(0, abs=0.5)


def test_the_whitened_space_does_not_depend_on_linear_maps_of_the_features():
    data = classifier_outputs()
    matrix = torch.from_numpy(np.random.default_rng(5).normal(size=(12, 12)))

    def mapped(rows: Outputs) -> Outputs:
        return Outputs(rows.features @ matrix + 3, rows.logits)

    score = MemoryScore(space="whitened", ridge=0.0, energies="relative")
    expected = score.fit(data.fit).score_samples(data.new)
    scores = score.fit(FitRows(mapped(data.fit.outputs), data.fit.labels)).score_samples(mapped(data.new))
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
