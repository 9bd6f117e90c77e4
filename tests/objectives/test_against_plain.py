"""Every objective, step for step, against the plain implementation in benchmarks/plain.py: same noise, same losses."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP, WideResNet
from ebmood.objectives import CD, SSM, VERA, Batch, Objective, Supervised
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


@pytest.fixture
def dtype():
    return torch.float64


@pytest.fixture
def rows(dtype):
    return torch.rand(64, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)


@pytest.fixture
def model(dtype):
    torch.manual_seed(4)
    return EnergyModel(MLP(5, (16, 16), CLASSES, "silu")).to(dtype)


def losses_agree(objective: Objective, rows, theirs, steps: int = STEPS, near: float = 1e-9) -> None:
    """Train with our losses; before every move, each player's loss must equal the plain one to rounding."""
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
@pytest.mark.parametrize("gamma", [None, 2.0])
def test_ssm(gamma, model, rows, steps, near):
    objective = SSM().start(model, CLASSES, (5,), 0)
    if gamma:
        objective = Supervised(objective, gamma)

    def theirs(player, noise):
        loss = plain.ssm_loss(model.network, rows, noise)
        y = torch.arange(len(rows)) % CLASSES
        return plain.supervised(loss, model.network, rows, y, gamma) if gamma else loss

    losses_agree(objective, rows, theirs, steps, near)


@in_both_precisions
@pytest.mark.parametrize("logits", [1, CLASSES])
def test_ssm_without_curvature(logits, dtype, rows, steps, near):
    """One logit of a piecewise-linear MLP has none, and none is looked for; several have."""
    torch.manual_seed(4)
    model = EnergyModel(MLP(5, (16, 16), logits, "leaky_relu", 0.2)).to(dtype)
    losses_agree(
        SSM().start(model, logits, (5,), 0),
        rows,
        lambda player, noise: plain.ssm_loss(model.network, rows, noise),
        steps,
        near,
    )


@in_both_precisions
@pytest.mark.parametrize("conditional", [False, True])
def test_cd(conditional, model, rows, dtype, steps, near):
    chain = SGLD(steps=5, step_size=0.3, noise=0.05)
    settings = CD(chain=chain, buffer=90, restart=0.2, penalty=0.7, class_conditional=conditional)
    objective = settings.start(model, CLASSES, (5,), 0).to(dtype)
    buffer = objective.buffer.samples.clone()

    def theirs(player, noise):
        classes = CLASSES if conditional else None
        return plain.cd_loss(model.network, rows, buffer, noise, 5, 0.3, 0.05, 0.2, 0.7, classes)

    losses_agree(objective, rows, theirs, steps, near)
    torch.testing.assert_close(objective.buffer.samples, buffer, rtol=10 * near, atol=10 * near)


@in_both_precisions
def test_vera(model, rows, dtype, steps, near):
    settings = VERA(
        noise=4, hidden=(16,), posterior_samples=6, entropy_weight=0.3, posterior_width=0.2, sigma=0.1
    )
    objective = settings.start(model, CLASSES, (5,), 0).to(dtype)
    generator, log_eta, count = objective.generator, objective.log_eta, len(rows)
    constants = []

    def theirs(player, noise):
        network, log_sigma = model.network, generator.log_sigma
        if player == "energy":
            return plain.vera_energy_loss(network, generator, log_sigma, rows, 4, 0.1, noise)
        if player == "generator":
            return plain.vera_generator_loss(network, generator, log_sigma, log_eta, count, 4, 0.3, 6, noise)
        # Ours leaves out what eta does not change: the likelihood's and the prior's and the entropy's constants.
        normaliser = torch.log(torch.tensor(2 * torch.pi, dtype=dtype))
        constant = 5 * log_sigma + 0.5 * 5 * normaliser + 0.5 * 4 * normaliser - 4 * 0.5 * (1 + normaliser)
        constants.append(constant.item())
        return plain.vera_posterior_loss(generator, log_sigma, log_eta, count, 4, noise) - constant

    generator.eval()  # Batch statistics would carry one side's passes over to the other's.
    losses_agree(objective, rows, theirs, steps, near)
    assert len(set(constants)) > 1  # sigma moved, so the generator did learn


@pytest.fixture
def images(dtype):
    """A piecewise-linear energy of images, and some."""
    torch.manual_seed(6)
    return EnergyModel(WideResNet(1, 1, width=1)).to(dtype), torch.rand(4, 1, 8, 8).to(dtype) * 2 - 1


@in_both_precisions
def test_ssm_of_images(images, dtype, steps, near):
    model, x = images
    losses_agree(
        SSM().start(model, 1, (1, 8, 8), 0),
        x,
        lambda player, noise: plain.ssm_loss(model.network, x, noise),
        min(steps, 10),
        near,
    )


@in_both_precisions
def test_vera_of_images(images, dtype, steps, near):
    model, x = images
    settings = VERA(noise=4, resnet_channels=6, posterior_samples=3, entropy_weight=0.3, sigma=0.1)
    objective = settings.start(model, 1, (1, 8, 8), 0).to(dtype)
    generator, log_eta = objective.generator, objective.log_eta
    theirs_network = plain_networks.Generator(4, 1, 6).to(dtype)
    theirs_network.blocks = theirs_network.blocks[:1]  # to 8 x 8

    def theirs(player, noise):
        plain_networks.copy_parameters(generator.network, theirs_network)
        network, log_sigma = model.network, generator.log_sigma
        if player == "energy":
            return plain.vera_energy_loss(network, theirs_network, log_sigma, x, 4, 0.1, noise)
        if player == "generator":
            return plain.vera_generator_loss(network, theirs_network, log_sigma, log_eta, 4, 4, 0.3, 3, noise)
        # What eta does not change, ours leaves out.
        constant = 64 * (log_sigma + 0.5 * math.log(2 * math.pi)) + 0.5 * 4 * (math.log(2 * math.pi) - 1)
        constant = constant - 0.5 * 4 * math.log(2 * math.pi)
        return plain.vera_posterior_loss(theirs_network, log_sigma, log_eta, 4, 4, noise) - constant

    losses_agree(objective, x, theirs, min(steps, 10), near)


@in_both_precisions
def test_chains_of_images(images, dtype, steps, near):
    """More images than go through the network at once."""
    model, _ = images
    start = torch.rand(40, 1, 8, 8).to(dtype)
    ends = [
        SGLD(steps=min(steps, 10), step_size=0.1, noise=0.05).run(
            model, start, None, torch.Generator().manual_seed(1)
        ),
        plain.langevin(model.network, start, min(steps, 10), 0.1, 0.05, torch.Generator().manual_seed(1)),
    ]
    torch.testing.assert_close(*ends, rtol=near, atol=near)


def test_radial(rows):
    torch.manual_seed(0)
    flow = RadialFlow(5, 7).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    layers = list(zip(flow.centre, flow.raw_alpha, flow.raw_beta, strict=True))
    torch.testing.assert_close(flow.log_density(rows), plain.radial_log_density(layers, rows))
