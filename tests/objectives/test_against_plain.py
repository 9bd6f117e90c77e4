"""Every objective, step for step, against the plain implementation in benchmarks/plain.py: same noise, same losses."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from ebmood.fast.native import compiler
from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP, WideResNet
from ebmood.objectives import CD, SSM, VERA, Batch, Likelihood, Objective, Supervised
from ebmood.samplers import SGLD


def _benchmark(name: str):
    spec = importlib.util.spec_from_file_location(
        name, Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    )
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain, plain_networks = _benchmark("plain"), _benchmark("plain_networks")

STEPS = 50
CLASSES = 3
DOUBLE, SINGLE = (torch.float64, STEPS, 1e-9), (torch.float32, 3, 2e-4)
in_both_precisions = pytest.mark.parametrize(("dtype", "steps", "near"), [DOUBLE, SINGLE])


needs_a_compiler = pytest.mark.skipif(
    compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)"
)
eager_and_compiled = pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=needs_a_compiler)], ids=["eager", "compiled"]
)


@pytest.fixture
def compiled():
    return False


@pytest.fixture
def dtype():
    return torch.float64


@pytest.fixture
def rows(dtype):
    return torch.rand(64, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)


@pytest.fixture
def model(dtype, compiled):
    torch.manual_seed(4)
    return EnergyModel(MLP(5, (16, 16), CLASSES, "silu", compiled=compiled)).to(dtype)


def losses_agree(objective: Objective, rows, theirs, steps: int = STEPS, near: float = 1e-9) -> None:
    """Train with our losses; before every move, each player's loss must equal the plain one to rounding."""
    objective.expect(steps, len(rows))
    ours, their_noise = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    batch = Batch(rows, torch.arange(len(rows)) % CLASSES)
    players = objective.players()
    optimisers = [torch.optim.Adam(player.parameters, lr=1e-3) for player in players]
    for _ in range(steps):
        for player, optimiser in zip(players, optimisers, strict=True):
            expected = theirs(player.name, their_noise)
            loss, _ = player.loss(batch, ours)
            torch.testing.assert_close(loss.detach(), expected.detach(), rtol=near, atol=near)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


@in_both_precisions
@eager_and_compiled
@pytest.mark.parametrize("gamma", [None, 2.0])
def test_ssm(gamma, compiled, cache, model, rows, steps, near):
    objective = SSM().build(model, CLASSES, (5,), 0)
    if gamma:
        objective = Supervised(objective, gamma)

    def theirs(player, noise):
        loss = plain.ssm_loss(model.network, rows, noise)
        y = torch.arange(len(rows)) % CLASSES
        return plain.supervised(loss, model.network, rows, y, gamma) if gamma else loss

    losses_agree(objective, rows, theirs, steps, near)
    assert (model.network.passes is not None) == compiled


@in_both_precisions
@eager_and_compiled
@pytest.mark.parametrize("logits", [1, CLASSES])
def test_ssm_without_curvature(logits, compiled, cache, dtype, rows, steps, near):
    """One logit of a piecewise-linear MLP has none, and none is looked for; several have."""
    torch.manual_seed(4)
    model = EnergyModel(MLP(5, (16, 16), logits, "leaky_relu", 0.2, compiled=compiled)).to(dtype)
    losses_agree(
        SSM().build(model, logits, (5,), 0),
        rows,
        lambda player, noise: plain.ssm_loss(model.network, rows, noise),
        steps,
        near,
    )


@in_both_precisions
@eager_and_compiled
@pytest.mark.parametrize("conditional", [False, True])
def test_cd(conditional, compiled, cache, model, rows, dtype, steps, near):
    chain = SGLD(steps=5, step_size=0.3, noise=0.05)
    settings = CD(chain=chain, buffer=90, restart=0.2, penalty=0.7, class_conditional=conditional)
    objective = settings.build(model, CLASSES, (5,), 0).to(dtype)
    buffer = objective.buffer.samples.clone()

    def theirs(player, noise):
        classes = CLASSES if conditional else None
        return plain.cd_loss(model.network, rows, buffer, noise, 5, 0.3, 0.05, 0.2, 0.7, classes)

    losses_agree(objective, rows, theirs, steps, near)
    assert (model.network.passes is not None) == compiled
    torch.testing.assert_close(objective.buffer.samples, buffer, rtol=10 * near, atol=10 * near)


def vera_agrees(objective: Objective, rows, theirs_network: nn.Module, steps: int, near: float) -> None:
    """`losses_agree` for VERA, whose generator is written out plainly as `theirs_network`, batch statistics and all."""
    objective = objective.to(rows.dtype)
    network, generator, log_eta = objective.model.network, objective.generator, objective.log_eta
    count, dimensions, noise_dim = len(rows), rows[0].numel(), objective.settings.noise
    theirs_network = theirs_network.to(rows.dtype)
    constants = []

    def theirs(player, noise):
        plain_networks.copy_parameters(generator.network, theirs_network)
        log_sigma = generator.log_sigma
        if player == "energy":
            return plain.vera_energy_loss(network, theirs_network, log_sigma, rows, noise_dim, 0.1, noise)
        if player == "generator":
            return plain.vera_generator_loss(
                network, theirs_network, log_sigma, log_eta, count, noise_dim, 0.3, 6, noise
            )
        # Ours leaves out what eta does not change: the likelihood's and the prior's and the entropy's constants.
        normaliser = torch.log(torch.tensor(2 * torch.pi, dtype=rows.dtype))
        constant = dimensions * (log_sigma + 0.5 * normaliser) - 0.5 * noise_dim
        constants.append(constant.item())
        return (
            plain.vera_posterior_loss(theirs_network, log_sigma, log_eta, count, noise_dim, noise) - constant
        )

    losses_agree(objective, rows, theirs, steps, near)
    assert len(set(constants)) > 1  # sigma moved, so the generator did learn
    for ours, their in zip(generator.network.buffers(), theirs_network.buffers(), strict=True):
        torch.testing.assert_close(ours, their, rtol=near, atol=near)  # the running statistics


@in_both_precisions
@eager_and_compiled
def test_vera(compiled, cache, model, rows, steps, near):
    settings = VERA(
        noise=4,
        hidden=(16, 8),
        posterior_samples=6,
        entropy_weight=0.3,
        posterior_width=0.2,
        sigma=0.1,
        compiled=compiled,
    )
    layers = [nn.Linear(4, 16, bias=False), nn.BatchNorm1d(16), nn.LeakyReLU(0.01)]
    layers += [nn.Linear(16, 8, bias=False), nn.BatchNorm1d(8), nn.LeakyReLU(0.01)]
    theirs = nn.Sequential(*layers, nn.Linear(8, 5, bias=False))
    objective = settings.build(model, CLASSES, (5,), 0)
    vera_agrees(objective, rows, theirs, steps, near)
    assert (objective.generator.network.passes is not None) == compiled


@pytest.fixture
def images(dtype, compiled):
    """A piecewise-linear energy of images, and some."""
    torch.manual_seed(6)
    network = WideResNet(1, 1, width=1, compiled=compiled)
    return EnergyModel(network).to(dtype), torch.rand(4, 1, 8, 8).to(dtype) * 2 - 1


@in_both_precisions
def test_ssm_of_images(images, steps, near):
    model, x = images
    losses_agree(
        SSM().build(model, 1, (1, 8, 8), 0),
        x,
        lambda player, noise: plain.ssm_loss(model.network, x, noise),
        steps,
        near,
    )


@in_both_precisions
@eager_and_compiled
def test_cd_of_images(compiled, cache, images, dtype, steps, near):
    model, x = images
    settings = CD(chain=SGLD(steps=2, step_size=0.3, noise=0.05), buffer=12, restart=0.2, penalty=0.7)
    objective = settings.build(model, 1, (1, 8, 8), 0).to(dtype)
    buffer = objective.buffer.samples.clone()
    losses_agree(
        objective,
        x,
        lambda player, noise: plain.cd_loss(model.network, x, buffer, noise, 2, 0.3, 0.05, 0.2, 0.7),
        steps,
        near,
    )
    assert (model.network.passes is not None) == compiled
    torch.testing.assert_close(objective.buffer.samples, buffer, rtol=10 * near, atol=10 * near)


@in_both_precisions
def test_vera_of_images(images, dtype, steps, near):
    model, x = EnergyModel(WideResNet(1, CLASSES, width=1)).to(dtype), images[1]
    settings = VERA(noise=4, resnet_channels=6, posterior_samples=6, entropy_weight=0.3, sigma=0.1)
    theirs = plain_networks.Generator(4, 1, 6)
    theirs.blocks = theirs.blocks[:1]  # to 8 x 8
    vera_agrees(settings.build(model, CLASSES, (1, 8, 8), 0), x, theirs, steps, near)


@in_both_precisions
@eager_and_compiled
@pytest.mark.parametrize("conditional", [False, True])
def test_chains_of_images(conditional, compiled, cache, dtype, steps, near):
    """More images than go through the network at once."""
    torch.manual_seed(6)
    model = EnergyModel(WideResNet(1, CLASSES, width=1, compiled=compiled)).to(dtype)
    model.expect(steps, 36)
    start = torch.rand(36, 1, 8, 8).to(dtype)
    y = torch.arange(36) % CLASSES if conditional else None
    ours = SGLD(steps=steps, step_size=0.1, noise=0.05)
    ends = [
        ours.run(model, start, y, torch.Generator().manual_seed(1)),
        plain.langevin(model.network, start, steps, 0.1, 0.05, torch.Generator().manual_seed(1), y),
    ]
    torch.testing.assert_close(*ends, rtol=near, atol=near)


@in_both_precisions
def test_radial(rows, dtype, steps, near):
    torch.manual_seed(0)
    flow = RadialFlow(5, 7).to(dtype)

    def theirs(player, noise):
        layers = list(zip(flow.centre, flow.raw_alpha, flow.raw_beta, strict=True))
        return -plain.radial_log_density(layers, rows).mean()

    before = flow.centre.detach().clone()
    losses_agree(Likelihood().build(flow, 1, (5,), 0), rows, theirs, steps, near)
    assert not torch.isclose(flow.centre, before).all()
