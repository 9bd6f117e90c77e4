"""Any objective can be trained in whitened coordinates."""

import pytest
import torch

from ebmood.models import AnchoredEnergy, TiedMixture, WhitenedModel, Whitening
from ebmood.networks import MLP
from ebmood.objectives import NCE, Batch, InWhitenedCoordinates, ResidualCD


def base() -> TiedMixture:
    mixture = TiedMixture(2, 1)
    mixture.means.copy_(torch.tensor([[3.0, -1.0]]))
    mixture.variances.copy_(torch.tensor([4.0, 1e-4]))
    return mixture


def build(settings, noise: float) -> InWhitenedCoordinates:
    torch.manual_seed(0)
    coordinates = Whitening(base())
    inner = AnchoredEnergy(coordinates.whitened(base(), noise), MLP(2, (8,), 1, "silu"))
    return InWhitenedCoordinates(WhitenedModel(inner, coordinates, noise), settings.build(inner, 1, (2,), 0))


def test_without_noise_the_loss_is_that_of_the_inner_objective_at_z(noise):
    objective = build(NCE(), 0.0)
    x = base().sample(64, noise).float()
    (player,), (inner,) = objective.players(), objective.objective.players()
    z = objective.coordinates(x)
    expected, _ = inner.loss(Batch(z, None), torch.Generator().manual_seed(1))
    loss, _ = player.loss(Batch(x, None), torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(objective.validation_loss(x), objective.objective.validation_loss(z))


def test_noise_has_the_covariance_of_the_base_and_is_fixed_for_held_out_rows(noise):
    objective = build(NCE(), 0.5)
    seen = []
    objective.objective.validation_loss = lambda z: seen.append(z) or z.sum()
    x = base().means.float().repeat(20_000, 1)
    assert objective.validation_loss(x) == objective.validation_loss(x)
    assert torch.cov(seen[0].T).flatten().tolist() == pytest.approx([0.25, 0, 0, 0.25], abs=0.01)


def test_negatives_are_rows_x():
    negatives = build(ResidualCD(buffer=2000), 0.0).sample_negatives(2000, torch.Generator().manual_seed(0))
    chains = negatives["chains"]
    torch.testing.assert_close(chains.mean(0), torch.tensor([3.0, -1.0]), atol=0.15, rtol=0)
    torch.testing.assert_close(chains.std(0), torch.tensor([2.0, 0.01]), atol=0.1, rtol=0.1)
