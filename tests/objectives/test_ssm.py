"""Sliced score matching: its loss against closed forms, the density that it learns, and when it cannot learn."""

from itertools import product

import pytest
import torch
from helpers.quadratic import (
    PRECISION,
    diagonal_model,
    fit_precision,
    gaussian_rows,
    relative_error,
)
from torch import nn

from ebmood.models import EnergyMLP, EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import SSM, AdamW, Batch
from ebmood.objectives.ssm import rademacher
from ebmood.training import Training


def test_the_loss_of_a_gaussian_has_a_closed_form(noise):
    """For F = -x'Px/2 the mean of v'Hv is -tr P, and the mean of |s|^2 / 2 is tr(P P C) / 2."""
    p = torch.diag(torch.tensor([1.0, 4.0, 0.25]))
    rows = gaussian_rows(2000, noise)
    loss, _ = SSM().build(diagonal_model(1.0, 2.0, 0.5), 1, (3,), 0).loss(Batch(rows, None), noise)
    exact = -p.trace() + 0.5 * (p @ p @ torch.linalg.inv(PRECISION)).trace()
    # P is diagonal: v'Pv = tr P for every v in {-1, 1}^3, so that the loss has no sampling error.
    torch.testing.assert_close(loss, exact, rtol=1e-4, atol=1e-4)


def test_over_the_last_axis_the_loss_is_divided_by_the_size_of_the_other_axes(noise):
    model = EnergyModel(nn.Sequential(nn.Flatten(), MLP(24, (8,), 1, "silu")))
    batch = Batch(torch.rand(5, 2, 3, 4, generator=noise), None)
    full, last = (
        SSM(over=over).build(model, 1, (2, 3, 4), 0).loss(batch, noise.manual_seed(1))[0]
        for over in (None, "last")
    )
    torch.testing.assert_close(last, full / 6)


@pytest.mark.parametrize(("activation", "outputs"), [("silu", 1), ("softplus", 3), ("leaky_relu", 3)])
def test_the_mean_over_all_projections_equals_score_matching_with_the_full_hessian(
    monkeypatch, noise, activation, outputs
):
    """The mean of v'Hv over all 2^D sign vectors is tr H, hence J = mean(tr Hess F + |grad F|^2 / 2)."""
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
    assert off_diagonal > 0.01  # otherwise, one projection would give the trace

    objective = SSM().build(model, outputs, (4,), 0)
    losses = []
    for signs in product((-1.0, 1.0), repeat=4):
        v = torch.tensor(signs, dtype=torch.float64).expand(8, 4)
        monkeypatch.setattr("ebmood.objectives.ssm.rademacher", lambda like, generator, v=v: v)
        losses.append(objective.loss(Batch(rows, None), noise)[0])
    torch.testing.assert_close(torch.stack(losses).mean(), exact, rtol=1e-10, atol=1e-12)
    assert torch.stack(losses).std() > 1e-3


def test_projections_are_signs_with_equal_probability(noise):
    v = rademacher(torch.zeros(1000, 7), noise)
    assert set(v.unique().tolist()) == {-1.0, 1.0}
    assert v.mean().abs() < 4 / 7000**0.5


def test_the_precision_of_a_gaussian_is_recovered(noise):
    settings = SSM(optimiser=AdamW(lr=1e-2))
    training = Training(steps=800, batch_size=1024, warmup=50, halve_every=50)
    assert relative_error(fit_precision(settings, gaussian_rows(4096, noise), training)) < 0.1


def test_a_constant_minimises_the_loss_of_a_piecewise_linear_network(noise):
    """For any weights and any number of logits the loss is at least zero, and a constant has the loss zero."""
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


def test_piecewise_linear_models_are_described_as_degenerate():
    assert SSM().degenerate_on(EnergyMLP(activation="silu")) is None
    assert "smooth activation" in SSM().degenerate_on(EnergyMLP(activation="leaky_relu"))


def test_the_loss_of_a_smooth_network_becomes_negative(noise):
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
    assert loss.item() < -0.5  # the minimum is -tr(P) / 2 = -1


def test_the_loss_is_unbounded_on_rows_in_a_line(noise):
    """The narrower the peak of F across the line, the lower the loss."""
    rows = torch.randn(500, 2, generator=noise)
    assert SSM().unbounded_on(rows.numpy()) is None
    rows[:, 1] = 0.25
    assert "1 of 2 columns repeat one value" in SSM().unbounded_on(rows.numpy())
    losses = []
    for sharpness in (1.0, 10.0, 100.0):
        objective = SSM().build(diagonal_model(1.0, sharpness), 1, (2,), 0)
        losses.append(objective.loss(Batch(rows - torch.tensor([0.0, 0.25]), None), noise)[0].item())
    assert losses[2] < 50 * losses[1] < 50 * 50 * losses[0] < 0
