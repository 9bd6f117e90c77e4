import pytest
import torch
from torch.nn.functional import cross_entropy

from ebmood.models import EnergyModel, Radial, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, Batch, Likelihood, Supervised
from ebmood.samplers import SGLD


@pytest.mark.parametrize("settings", [SSM(), CD(chain=SGLD(steps=2), buffer=64), VERA(hidden=(8,))])
def test_adds_gamma_times_the_cross_entropy_to_the_energy_alone(settings, noise):
    torch.manual_seed(0)
    model = EnergyModel(MLP(2, (16,), 3, "silu"))
    batch = Batch(torch.rand(32, 2), torch.arange(32) % 3)
    inner = settings.build(model, 3, (2,), 0)
    outer = Supervised(inner, gamma=2.5)
    state = {name: value.clone() for name, value in inner.state_dict().items()}
    for position, (plain, supervised) in enumerate(zip(inner.players(), outer.players(), strict=True)):
        values = []
        for player in (plain, supervised):
            inner.load_state_dict(state)
            values.append(player.loss(batch, torch.Generator().manual_seed(1))[0].detach())
        extra = 2.5 * cross_entropy(model.logits(batch.x), batch.y) if position == 0 else torch.tensor(0.0)
        torch.testing.assert_close(values[1] - values[0], extra.detach(), atol=1e-5, rtol=1e-5)


def test_flows_have_no_logits_to_supervise():
    flow = RadialFlow(2, 1)
    with pytest.raises(TypeError, match="energy models"):
        Supervised(Likelihood().build(flow, 1, (2,), 0), 1.0).players()[0].loss(
            Batch(torch.rand(4, 2), torch.zeros(4, dtype=torch.long)), torch.Generator()
        )


def test_likelihood_refuses_energies_and_energies_refuse_flows():
    with pytest.raises(TypeError, match="normalised"):
        Likelihood().build(EnergyModel(MLP(2, (4,), 1)), 1, (2,), 0)
    with pytest.raises(TypeError, match="SSM trains energy models"):
        SSM().build(RadialFlow(2, Radial().layers), 1, (2,), 0)
