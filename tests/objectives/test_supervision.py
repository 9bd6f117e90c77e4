"""Supervision adds the cross-entropy to the loss of one player and passes everything else on."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, Batch, Likelihood, Supervised
from ebmood.samplers import SGLD


@pytest.mark.parametrize("settings", [SSM(), CD(chain=SGLD(steps=2), buffer=64), VERA(hidden=(8,))])
def test_gamma_times_the_cross_entropy_is_added_to_the_loss_of_the_energy_only(settings, noise):
    torch.manual_seed(0)
    model = EnergyModel(MLP(2, (16,), 3, "silu"))
    batch = Batch(torch.rand(32, 2), torch.arange(32) % 3)
    inner = settings.build(model, 3, (2,), 0)
    outer = Supervised(inner, gamma=2.5)
    state = {name: value.clone() for name, value in inner.state_dict().items()}
    for position, players in enumerate(zip(inner.players(), outer.players(), strict=True)):
        losses = []
        for player in players:
            inner.load_state_dict(state)
            losses.append(player.loss(batch, torch.Generator().manual_seed(1))[0].detach())
        extra = 2.5 * cross_entropy(model.logits(batch.x), batch.y) if position == 0 else torch.tensor(0.0)
        torch.testing.assert_close(losses[1] - losses[0], extra.detach(), atol=1e-5, rtol=1e-5)


def test_the_model_and_the_negatives_are_those_of_the_inner_objective(noise):
    model = EnergyModel(MLP(2, (16,), 3))
    inner = CD(buffer=64).build(model, 3, (2,), 0)
    outer = Supervised(inner, gamma=1.0)
    assert outer.model is model
    assert torch.equal(outer.sample_negatives(5, noise)["chains"], inner.sample_negatives(5, noise)["chains"])


def test_flows_have_no_logits_to_supervise():
    flow = RadialFlow(2, 1)
    objective = Supervised(Likelihood().build(flow, 1, (2,), 0), 1.0)
    batch = Batch(torch.rand(4, 2), torch.zeros(4, dtype=torch.long))
    with pytest.raises(TypeError, match="energy models"):
        objective.players()[0].loss(batch, torch.Generator())
    assert objective.validation_loss(batch.x) == objective.objective.validation_loss(batch.x)
