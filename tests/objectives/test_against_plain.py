"""Every objective, step for step, against the plain implementation in benchmarks/plain.py: same noise, same losses."""

import importlib.util
from pathlib import Path

import pytest
import torch

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, Batch, Objective, Supervised
from ebmood.samplers import SGLD

_file = Path(__file__).parents[2] / "benchmarks" / "plain.py"
_spec = importlib.util.spec_from_file_location("plain", _file)
assert _spec is not None
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

STEPS = 50
CLASSES = 3


@pytest.fixture
def rows():
    return torch.rand(64, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture
def model():
    torch.manual_seed(4)
    return EnergyModel(MLP(5, (16, 16), CLASSES, "silu")).double()


def losses_agree(objective: Objective, rows, theirs) -> None:
    """Train with our losses; before every move, each player's loss must equal the plain one to rounding."""
    ours, their_noise = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    batch = Batch(rows, torch.arange(len(rows)) % CLASSES)
    players = objective.players()
    optimisers = [torch.optim.Adam(player.parameters, lr=1e-3) for player in players]
    for _ in range(STEPS):
        for player, optimiser in zip(players, optimisers, strict=True):
            expected = theirs(player.name, their_noise)
            loss, _ = player.loss(batch, ours)
            torch.testing.assert_close(loss.detach(), expected.detach(), rtol=1e-9, atol=1e-9)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


@pytest.mark.parametrize("gamma", [None, 2.0])
def test_ssm(gamma, model, rows):
    objective = SSM().start(model, CLASSES, (5,), 0)
    if gamma:
        objective = Supervised(objective, gamma)

    def theirs(player, noise):
        loss = plain.ssm_loss(model.network, rows, noise)
        y = torch.arange(len(rows)) % CLASSES
        return plain.supervised(loss, model.network, rows, y, gamma) if gamma else loss

    losses_agree(objective, rows, theirs)


@pytest.mark.parametrize("conditional", [False, True])
def test_cd(conditional, model, rows):
    chain = SGLD(steps=5, step_size=0.3, noise=0.05)
    settings = CD(chain=chain, buffer=90, restart=0.2, penalty=0.7, class_conditional=conditional)
    objective = settings.start(model, CLASSES, (5,), 0).double()
    buffer = objective.buffer.samples.clone()

    def theirs(player, noise):
        classes = CLASSES if conditional else None
        return plain.cd_loss(model.network, rows, buffer, noise, 5, 0.3, 0.05, 0.2, 0.7, classes)

    losses_agree(objective, rows, theirs)
    torch.testing.assert_close(objective.buffer.samples, buffer)


def test_vera(model, rows):
    settings = VERA(
        noise=4, hidden=(16,), posterior_samples=6, entropy_weight=0.3, posterior_width=0.2, sigma=0.1
    )
    objective = settings.start(model, CLASSES, (5,), 0).double()
    generator, log_eta, count = objective.generator, objective.log_eta, len(rows)
    constants = []

    def theirs(player, noise):
        network, log_sigma = model.network, generator.log_sigma
        if player == "energy":
            return plain.vera_energy_loss(network, generator, log_sigma, rows, 4, 0.1, noise)
        if player == "generator":
            return plain.vera_generator_loss(network, generator, log_sigma, log_eta, count, 4, 0.3, 6, noise)
        # Ours leaves out what eta does not change: the likelihood's and the prior's and the entropy's constants.
        normaliser = torch.log(torch.tensor(2 * torch.pi, dtype=torch.float64))
        constant = 5 * log_sigma + 0.5 * 5 * normaliser + 0.5 * 4 * normaliser - 4 * 0.5 * (1 + normaliser)
        constants.append(constant.item())
        return plain.vera_posterior_loss(generator, log_sigma, log_eta, count, 4, noise) - constant

    generator.eval()  # Batch statistics would carry one side's passes over to the other's.
    losses_agree(objective, rows, theirs)
    assert len(set(constants)) > 1  # sigma moved, so the generator did learn


def test_radial(rows):
    torch.manual_seed(0)
    flow = RadialFlow(5, 7).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    layers = list(zip(flow.centre, flow.raw_alpha, flow.raw_beta, strict=True))
    torch.testing.assert_close(flow.log_density(rows), plain.radial_log_density(layers, rows))
