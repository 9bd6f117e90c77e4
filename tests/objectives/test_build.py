"""Supervision and whitened coordinates wrap the objective of the settings, for the inner model and its classes."""

import torch
from torch.nn.functional import cross_entropy

from ebmood.models import AnchoredEnergy, EnergyModel, TiedMixture, WhitenedModel, Whitening
from ebmood.networks import MLP
from ebmood.objectives import NCE, SSM, Batch, InWhitenedCoordinates, Supervised, build_objective


def test_without_labels_and_whitening_it_is_the_objective_of_the_settings():
    model = EnergyModel(MLP(2, (4,), 1, "silu"))
    objective = build_objective(SSM(), model, 1, (2,), 0)
    assert type(objective) is type(SSM().build(model, 1, (2,), 0))
    assert objective.model is model


def test_labels_are_learned_in_whitened_coordinates():
    base = TiedMixture(2, 1, 3)
    base.means.copy_(torch.tensor([[3.0, -1.0], [0.0, 1.0], [5.0, 2.0]]))
    base.variances.copy_(torch.tensor([4.0, 1e-4]))
    torch.manual_seed(0)
    coordinates = Whitening(base)
    inner = AnchoredEnergy(coordinates.whitened(base, 0.0), MLP(2, (8,), 3, "silu"))
    model = WhitenedModel(inner, coordinates, 0.0)
    x, y = base.sample(12, torch.Generator().manual_seed(1)).float(), torch.arange(12) % 3

    def loss(gamma: float | None) -> torch.Tensor:
        objective = build_objective(NCE(), model, 3, (2,), 0, gamma)
        assert isinstance(objective, InWhitenedCoordinates)
        assert isinstance(objective.objective, Supervised) == (gamma is not None)
        assert objective.model is model
        return objective.players()[0].loss(Batch(x, y), torch.Generator().manual_seed(2))[0].detach()

    expected = 2.5 * cross_entropy(inner.logits(coordinates(x)), y).detach()
    torch.testing.assert_close(loss(2.5) - loss(None), expected, atol=1e-5, rtol=1e-5)
