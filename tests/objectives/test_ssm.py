from itertools import product

import pytest
import torch
from helpers.quadratic import PRECISION, gaussian_rows, quadratic_model
from torch import nn

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import SSM, Batch
from ebmood.objectives.ssm import rademacher


def test_loss_of_a_gaussian_is_its_closed_form(noise):
    """For F = -x'Px/2: v' Hess v = -v'Pv, whose mean over v is -tr P; |s|^2/2 has mean tr(P P C)/2."""
    model = quadratic_model(3)
    with torch.no_grad():
        model.network.factor.copy_(torch.diag(torch.tensor([1.0, 2.0, 0.5])))
    p = torch.diag(torch.tensor([1.0, 4.0, 0.25]))
    rows = gaussian_rows(2000, noise)
    loss, _ = SSM().build(model, 1, (3,), 0).loss(Batch(rows, None), noise)
    exact = -p.trace() + 0.5 * (p @ p @ torch.linalg.inv(PRECISION)).trace()
    # Diagonal P: v'Pv is tr P for every v in {-1, 1}^3, so nothing is left to chance.
    torch.testing.assert_close(loss, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("activation", "outputs"), [("silu", 1), ("softplus", 3), ("leaky_relu", 3)])
def test_the_mean_over_projections_is_score_matching_with_the_whole_hessian(
    monkeypatch, noise, activation, outputs
):
    """E_v[v'Hv] is the mean over all 2^D signs, which is tr H: J = mean(tr Hess F + |grad F|^2 / 2), by autograd."""
    torch.manual_seed(1)
    model = EnergyModel(MLP(4, (16, 16), outputs, activation)).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.6)
    rows = torch.randn(8, 4, generator=noise, dtype=torch.float64)
    traces, norms, off_diagonal = [], [], 0.0
    for row in rows:
        hessian = torch.autograd.functional.hessian(lambda x: model.log_density(x[None]).sum(), row)
        score = torch.autograd.functional.jacobian(lambda x: model.log_density(x[None]).sum(), row)
        traces.append(hessian.trace())
        norms.append(score.square().sum() / 2)
        off_diagonal = max(off_diagonal, float((hessian - hessian.diag().diag()).abs().max()))
    exact = (torch.stack(traces) + torch.stack(norms)).mean()
    assert off_diagonal > 0.01  # one projection alone would not do

    objective = SSM().build(model, outputs, (4,), 0)
    losses = []
    for signs in product((-1.0, 1.0), repeat=4):
        v = torch.tensor(signs, dtype=torch.float64).expand(8, 4)
        monkeypatch.setattr("ebmood.objectives.ssm.rademacher", lambda like, generator, v=v: v)
        losses.append(objective.loss(Batch(rows, None), noise)[0])
    torch.testing.assert_close(torch.stack(losses).mean(), exact, rtol=1e-10, atol=1e-12)
    assert torch.stack(losses).std() > 1e-3


def test_projections_are_signs(noise):
    v = rademacher(torch.zeros(1000, 7), noise)
    assert set(v.unique().tolist()) == {-1.0, 1.0}
    assert v.mean().abs() < 4 / 7000**0.5


def test_loss_is_never_negative_on_a_piecewise_linear_network(noise):
    """Any weights, any number of logits: zero is the least, and a constant reaches it."""
    rows = torch.randn(256, 4, generator=noise)
    for outputs in (1, 6):
        torch.manual_seed(outputs)
        network = MLP(4, (32, 32), outputs, "leaky_relu")
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.7)
        objective = SSM().build(EnergyModel(network), outputs, (4,), 0)
        assert all(objective.loss(Batch(rows, None), noise)[0].item() >= 0 for _ in range(5))
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        assert objective.loss(Batch(rows, None), noise)[0].item() == 0


def test_loss_of_a_smooth_network_gets_below_zero(noise):
    torch.manual_seed(0)
    model = EnergyModel(MLP(2, (32,), 1, "silu"))
    objective = SSM().build(model, 1, (2,), 0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    rows = torch.randn(512, 2, generator=noise)
    for _ in range(100):
        loss, _ = objective.loss(Batch(rows, None), noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < -0.5  # The best possible is -tr(P)/2 = -1.


def test_says_where_the_loss_has_no_bound():
    """Rows on a line: the narrower the peak across it, the lower the loss, without end."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 2, generator=generator)
    assert SSM().unbounded_on(rows.numpy()) is None
    rows[:100, 1] = 0.25
    assert (
        "1 of 2 columns repeat one value in a tenth of the rows or more (most often column 1)"
        in SSM().unbounded_on(rows.numpy())
    )
    rows[:, 1] = 0.25
    losses = []
    for sharpness in (1.0, 10.0, 100.0):
        model = quadratic_model(2)
        with torch.no_grad():
            model.network.factor[1, 1] = sharpness
        on_the_line = rows - torch.tensor([0.0, 0.25])
        losses.append(SSM().build(model, 1, (2,), 0).loss(Batch(on_the_line, None), generator)[0].item())
    assert losses[2] < 50 * losses[1] < 50 * 50 * losses[0] < 0
