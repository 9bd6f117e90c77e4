"""Noise-contrastive estimation recovers normalised densities."""

import pydantic
import pytest
import torch
from helpers.quadratic import quadratic_model
from helpers.splits import moons_split
from torch.distributions import Normal

from ebmood.models import AnchoredEnergy, AnchoredMLP, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import NCE, AdamW, Batch, NoiseContrastive, Supervised
from ebmood.training import Training, make_fabric, train

TRAINING = Training(steps=600, batch_size=512, warmup=30, halve_every=25)


def build_objective(classes: int = 1) -> NoiseContrastive:
    torch.manual_seed(0)
    model = AnchoredEnergy(TiedMixture(1, 1, classes), MLP(1, (32, 32), classes, "silu"))
    return NoiseContrastive(model, widen=2.0, optimiser=AdamW(lr=5e-3))


def test_a_known_log_ratio_is_recovered_including_its_constant(noise) -> None:
    """With data N(0.5, 0.8^2) and base N(0, 1), f = log p - log q is a parabola."""
    x = 0.5 + 0.8 * torch.randn(8000, 1, generator=noise)
    objective = build_objective()
    train(objective, x, None, TRAINING, 0, make_fabric("cpu"))
    grid = torch.linspace(-1, 2, 31)[:, None]
    truth = Normal(0.5, 0.8).log_prob(grid) - Normal(0.0, 1.0).log_prob(grid)
    with torch.no_grad():
        estimate = objective.model.network(grid)
    assert (estimate - truth).abs().max() < 0.2
    assert truth.max() - truth.min() > 1


def test_the_network_learns_zero_if_the_base_is_the_density_of_the_data(noise) -> None:
    x = torch.randn(8000, 1, generator=noise)
    objective = build_objective()
    train(objective, x, None, TRAINING, 0, make_fabric("cpu"))
    with torch.no_grad():
        estimate = objective.model.network(torch.linspace(-1.5, 1.5, 31)[:, None])
    assert estimate.abs().max() < 0.25


def test_far_from_the_data_the_log_density_falls_with_the_base(noise) -> None:
    x = torch.randn(2000, 1, generator=noise)
    objective = build_objective()
    train(objective, x, None, TRAINING.updated(steps=100), 0, make_fabric("cpu"))
    with torch.no_grad():
        values = objective.model.log_density(torch.tensor([[0.0], [10.0], [100.0], [1000.0], [-1000.0]]))
    assert (values[1:4].diff() < 0).all()
    assert values[1:].max() < values[0] - 20


def test_half_of_the_noise_is_widened_and_only_the_network_is_trained(noise) -> None:
    objective = build_objective()
    rows = objective.noise(20_000, noise)
    assert float(rows.var()) == pytest.approx((1 + 4) / 2, rel=0.05)
    trained = {id(parameter) for player in objective.players() for parameter in player.parameters}
    assert trained == {id(parameter) for parameter in objective.model.network.parameters()}


def test_with_labels_the_logits_classify(noise) -> None:
    y = torch.randint(2, (4000,), generator=noise)
    x = torch.randn(4000, 1, generator=noise) * 0.5 + (y[:, None] * 2.0 - 1)
    objective = build_objective(classes=2)
    train(Supervised(objective, 1.0), x, y, TRAINING.updated(steps=300), 0, make_fabric("cpu"))
    with torch.no_grad():
        logits = objective.model.logits(x)
        loss, _ = objective.loss(Batch(x, y), noise)
    assert ((logits.argmax(1) == y).float().mean()) > 0.96
    assert float(loss) < 1.3


def test_an_anchored_mlp_trained_with_nce_has_a_higher_likelihood_than_its_base() -> None:
    """NCE models are normalised, so that log-likelihoods of test rows can be compared."""
    split = moons_split(8000)
    torch.manual_seed(0)
    model = AnchoredMLP(components=1, hidden=(32, 32)).build(split, 1)
    objective = NCE(optimiser=AdamW(lr=5e-3)).build(model, 1, (2,), 0)
    train(objective, torch.as_tensor(split.train_x), None, TRAINING, 0, make_fabric("cpu"))
    test_x = torch.as_tensor(split.test_x)
    with torch.no_grad():
        gain = (model.log_density(test_x) - model.base.log_density(test_x)).mean()
    assert float(gain) > 0.3


def test_models_without_a_base_are_an_error():
    with pytest.raises(TypeError, match="anchored"):
        NCE().build(quadratic_model(2), 1, (2,), 0)


def test_the_factor_of_the_wide_half_must_exceed_one():
    with pytest.raises(pydantic.ValidationError):
        NCE(widen=1.0)
