"""Clusters of rows, and energies that compare rows with their centres."""

import numpy as np
import pytest
import torch
from helpers.awkward_rows import awkward_rows, fit, score
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from ebmood import EnergyDetector
from ebmood.detector.energy.clusters import cluster_rows
from ebmood.detector.energy.score_model import SPEEDS, EnergySettings, ScoreModel
from ebmood.models.memory import MemoryEnergy

FAST = SPEEDS["fast"]


def test_separate_groups_are_the_clusters():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(6), 30))
    centres = 20 * rng.normal(size=(6, 4))
    labels = cluster_rows(centres[groups] + 0.1 * rng.normal(size=(180, 4)), 6, seed=0)
    assert len(set(zip(groups, labels, strict=True))) == len(set(labels)) == 6


def test_every_cluster_has_rows_although_there_are_fewer_distinct_rows():
    x = np.repeat(np.arange(5.0)[:, None], 8, axis=0)
    labels = cluster_rows(x, 20, seed=0)
    assert set(labels) == set(range(20))
    assert all(len(np.unique(x[labels == label])) == 1 for label in range(20))


def test_as_many_clusters_as_rows_are_the_rows_themselves():
    assert cluster_rows(np.zeros((7, 2)), 7, seed=0).tolist() == list(range(7))


def table(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return two numbers, a category of three levels, and a number with gaps."""
    x = np.exp(rng.normal(size=(count, 4)))
    x[:, 2] = rng.choice(3, count, p=[0.5, 0.4, 0.1])
    x[rng.random(count) < 0.2, 3] = np.nan
    return x


VIEWS = ("standardised", "min-max", "robust", "normal-scores", "whitened", "whitened-normal-scores")


@pytest.mark.parametrize("classes", [1, 2])
def test_with_a_cluster_for_each_row_the_energies_are_those_of_the_rows(classes):
    rng = np.random.default_rng(0)
    x, y = table(rng, 120), np.arange(120) % classes
    settings = EnergySettings(views=VIEWS, further_neighbours=(20,))
    rows = fit(x, settings, levels={2: 3}, y=y)
    clusters = fit(x, settings.updated(clusters=120), levels={2: 3}, y=y)
    new = torch.from_numpy(table(rng, 50))
    expected = dict(zip(rows.energy_names, rows.z_scores(new).swapaxes(0, 1), strict=True))
    result = dict(zip(clusters.energy_names, clusters.z_scores(new).swapaxes(0, 1), strict=True))
    assert list(result) == [name for name in expected if "relative" not in name]
    for name, z in result.items():
        torch.testing.assert_close(z, expected[name], rtol=1e-6, atol=1e-6, msg=name)


def one_view(rows: int, clusters: int) -> tuple[ScoreModel, np.ndarray, np.ndarray]:
    """Return a model of normal scores, on which one row has hardly an effect, and its rows and their clusters."""
    x = np.random.default_rng(0).normal(size=(rows, 3))
    model = fit(x, EnergySettings(views=("normal-scores",), clusters=clusters, residuals=None, deciding=1))
    energies = model.view_energies()["normal-scores"]
    assert energies.labels is not None
    return model, energies.view(torch.from_numpy(x)).numpy(), energies.labels.numpy()


def energy(row, centres, counts, bandwidths, dimension) -> float:
    """Return the memory energy with w = 1/2, written out."""
    distances = np.square(row - centres).sum(1)
    terms = np.log(counts) - 0.5 * dimension * np.log(bandwidths) - distances / (2 * bandwidths**2)
    return -logsumexp(terms)


def test_energies_are_those_of_centres_weighted_by_their_rows_and_a_row_leaves_its_cluster():
    model, rows, labels = one_view(rows=200, clusters=40)
    memory = model.view_energies()["normal-scores"].memories[0]
    assert isinstance(memory, MemoryEnergy)
    counts = np.bincount(labels)
    assert counts.min() == 1
    assert counts.max() > 5
    centres = np.stack([rows[labels == label].mean(0) for label in range(40)])
    bandwidths = (2 * memory.precisions.numpy()) ** -0.5
    between = np.linalg.norm(centres - centres[:, None], axis=2)
    fifth = np.sort(between, axis=1)[:, 5]  # of zero, the distance to itself, and five others
    np.testing.assert_allclose(bandwidths, 0.4 * np.maximum(fifth, 0.1 * np.median(fifth)), rtol=0.02)
    weights = memory.log_weights.numpy() - np.log(counts)
    dimension = float((-2 * weights / np.log(bandwidths)).mean())

    new = np.random.default_rng(1).normal(size=(30, 3))
    z = model.z_scores(torch.from_numpy(new))[0, 0].numpy()
    in_view = model.view_energies()["normal-scores"].view(torch.from_numpy(new)).numpy()
    expected = np.array([energy(row, centres, counts, bandwidths, dimension) for row in in_view])
    np.testing.assert_allclose(z * float(model.z_scale) + float(model.z_center), expected, atol=1e-5)

    left_out = model.fit_memories(model.memory).numpy()  # minus z-scores
    for i in range(0, 200, 10):
        others = np.arange(200) != i
        kept = np.array([((labels == label) & others).any() for label in range(40)])
        without = np.stack([rows[(labels == label) & others].mean(0) for label in np.flatnonzero(kept)])
        sizes = np.bincount(labels[others], minlength=40)[kept]
        expected = energy(rows[i], without, sizes, bandwidths[kept], dimension)
        assert -left_out[i] * float(model.z_scale) + float(model.z_center) == pytest.approx(
            expected, abs=1e-5
        )


@pytest.mark.parametrize("classes", [1, 3])
def test_a_model_of_a_large_table_compares_with_few_points_and_keeps_its_rows(classes):
    x = np.random.default_rng(0).normal(size=(3000, 2))
    model = fit(x, FAST, y=np.arange(3000) % classes)
    assert len(model.memory) in (2047, 2048, 2049)
    assert sum(model.layout.points) == pytest.approx(256, abs=1)
    z = model.z_scores(torch.from_numpy(x[:4]))
    assert z.shape == (classes, 3, 4)


def test_many_classes_have_at_least_64_clusters_each():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    assert fit(x, FAST, y=np.arange(1000) % 10).layout.points == (64,) * 10


def test_a_restored_model_has_equal_scores():
    model = fit(awkward_rows(), FAST.updated(clusters=20))
    copy = ScoreModel(model.settings, model.layout)
    copy.load_state_dict(model.state_dict())
    assert (score(model, awkward_rows()) == score(copy, awkward_rows())).all()


@pytest.mark.parametrize(
    "parameters",
    [{}, {"calibration": "loo"}, {"supervised": True}, {"memory": "prototypes"}, {"contamination": 0.05}],
)
def test_scores_of_a_fast_detector_do_not_depend_on_other_rows(parameters):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 4)) @ rng.normal(size=(4, 4))
    detector = EnergyDetector(speed="fast", random_state=0, **parameters).fit(x, np.arange(700) % 2)
    scores = detector.score_samples(x)
    assert (detector.score_samples(x[::-1])[::-1] == scores).all()
    assert np.concatenate([detector.score_samples(x[i : i + 1]) for i in range(5)]).tolist() == [*scores[:5]]
    assert (detector.predict(x + 50) == -1).all()


@pytest.mark.filterwarnings("ignore:self-test")  # 30 clusters are few
def test_false_alarms_of_leave_one_out_calibration_with_clusters_are_at_most_alpha():
    rng = np.random.default_rng(0)
    rates = []
    settings = FAST.updated(clusters=30)
    for seed in range(15):
        x = rng.standard_t(4, size=(420, 5)) @ rng.normal(size=(5, 5))
        detector = EnergyDetector(calibration="loo", energy=settings, random_state=seed).fit(x[:120])
        rates.append((detector.p_values(x[120:]) <= 0.1).mean())
    assert 0.04 <= np.mean(rates) <= 0.1 + 3 * np.std(rates, ddof=1) / np.sqrt(len(rates))


def test_a_fast_detector_takes_more_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 3))
    parts = EnergyDetector(speed="fast", random_state=0).fit(x[:400]).partial_fit(x[400:])
    assert parts.n_training_rows_ == len(parts.model_.memory) == 720
    assert parts.model_.layout.points == (256,)
    new = rng.normal(size=(2000, 3))
    assert 0.02 < (parts.predict(new) == -1).mean() < 0.09
    assert (parts.predict(new + 9) == -1).all()


def test_fast_finds_rows_in_which_one_column_does_not_belong_to_the_others():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(5, 30))
    x = rng.normal(size=(2400, 5)) @ factors + 0.2 * rng.normal(size=(2400, 30))
    train, new, strange = x[:1500], x[1500:1800], x[1800:2100].copy()
    column = np.arange(300) % 30
    strange[np.arange(300), column] = x[2100:][np.arange(300), column]
    both, y = np.concatenate([new, strange]), np.repeat([0, 1], 300)

    def auroc(settings: EnergySettings) -> float:
        return float(roc_auc_score(y, -score(fit(train, settings), both)))

    without = FAST.updated(residuals=None)
    assert auroc(FAST) > 0.85
    assert (
        auroc(FAST) > auroc(without) + 0.1 > auroc(without.updated(views=("min-max", "normal-scores"))) + 0.2
    )
    assert auroc(EnergySettings()) > auroc(EnergySettings(residuals=None)) + 0.05
