"""Contrastive divergence: its loss, its chains, and the density that it learns."""

import math

import pytest
import torch
from helpers.quadratic import diagonal_model, fit_precision, gaussian_rows, relative_error
from torch import nn

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, AdamW, Batch
from ebmood.samplers import MALA, SGLD
from ebmood.training import Training


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_loss_follows_the_formula(noise, penalty):
    """Chains without steps end at their starts, which are samples of the replay buffer."""
    settings = CD(chain=SGLD(steps=0), restart=0.0, penalty=penalty, buffer=50)
    model = diagonal_model(1.0, 2.0)
    objective = settings.build(model, 1, (2,), 0)
    x = torch.randn(20, 2, generator=noise)
    negatives, _, _ = objective.buffer.draw(20, torch.Generator().manual_seed(1))
    loss, _ = objective.loss(Batch(x, None), torch.Generator().manual_seed(1))
    data, chains = model.log_density(x), model.log_density(negatives)
    expected = chains.mean() - data.mean() + penalty * (data.square().mean() + chains.square().mean())
    torch.testing.assert_close(loss, expected)


def test_class_entropy_rewards_uncertain_classes_at_data(noise):
    """The loss of a uniform p(y|x) over three classes is lower by the weight times log 3."""
    model = EnergyModel(MLP(2, (), 3))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    batch = Batch(torch.randn(20, 2, generator=noise), None)
    losses = [
        CD(chain=SGLD(steps=1), buffer=50, class_entropy=weight)
        .build(model, 3, (2,), 0)
        .loss(batch, noise)[0]
        for weight in (None, 0.5)
    ]
    assert float((losses[0] - losses[1]).detach()) == pytest.approx(0.5 * math.log(3))


def test_the_drift_of_chains_without_gradient_is_that_of_diffusion(noise):
    """Four steps of N(0, 0.1^2) sum to N(0, 0.2^2), whose mean absolute value is 0.2 sqrt(2 / pi)."""
    settings = CD(chain=SGLD(steps=4, step_size=0.0, noise=0.1), buffer=100)
    objective = settings.build(EnergyModel(MLP(5, (8,), 1)), 1, (5,), 0)
    _, logs = objective.loss(Batch(torch.zeros(2_000, 5), None), noise)
    assert logs["drift"].item() == pytest.approx(0.2 * math.sqrt(2 / math.pi), rel=0.03)


def test_matched_noise_recovers_the_precision_of_a_gaussian(noise):
    a = 0.02
    settings = CD(
        chain=SGLD(steps=10, step_size=a, noise=(2 * a) ** 0.5),
        penalty=0.0,
        restart=0.0,
        buffer=4096,
        optimiser=AdamW(lr=1e-2),
    )
    training = Training(steps=600, batch_size=1024, warmup=0, halve_every=50)
    assert relative_error(fit_precision(settings, gaussian_rows(4096, noise), training)) < 0.1


def test_unmatched_noise_does_not_recover_the_precision_of_a_gaussian(noise):
    """The published temperature is far from one. The variant `corrected` therefore uses matched noise."""
    settings = CD(
        chain=SGLD(steps=10, step_size=0.02, noise=0.01), penalty=0.0, restart=0.0, optimiser=AdamW(lr=1e-2)
    )
    training = Training(steps=300, batch_size=1024, warmup=0)
    assert relative_error(fit_precision(settings, gaussian_rows(2048, noise), training)) > 0.3


class TwoPeaks(nn.Module):
    """Class 0 has a peak at (-2, 0), class 1 at (2, 0); class 0 is much more likely."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor([[-2.0, 0.0], [2.0, 0.0]]))

    def forward(self, x):
        return -0.5 * (x[:, None] - self.centres).square().sum(2) + torch.tensor([5.0, 0.0])


def run_chains(class_conditional: bool, noise):
    settings = CD(
        chain=SGLD(steps=200, step_size=0.05, noise=0.01), class_conditional=class_conditional, buffer=100
    )
    objective = settings.build(EnergyModel(TwoPeaks()), 2, (2,), seed=0)
    objective.negatives(2000, noise)  # enough to use every slot
    return objective


def test_class_conditional_chains_converge_to_the_peak_of_their_class(noise):
    samples = run_chains(True, noise).buffer.samples
    assert (samples[1::2, 0] > 1.5).all()
    assert (samples[0::2, 0] < -1.5).all()


def test_unconditional_chains_converge_to_the_peak_of_the_likelier_class(noise):
    samples = run_chains(False, noise).buffer.samples
    # Chains start in (-1, 1)^2, where the likelier class dominates F.
    assert (samples[:, 0] < -1.5).all()


def test_chains_give_no_gradient_to_the_parameters(noise):
    objective = run_chains(True, noise)
    assert objective.model.network.centres.grad is None
    assert objective.model.network.centres.requires_grad


def test_negatives_for_figures_are_samples_of_the_buffer(noise):
    objective = run_chains(True, noise)
    assert torch.equal(objective.sample_negatives(7, noise)["chains"], objective.buffer.samples[:7])


def test_settings_with_either_sampler_are_restored_from_json():
    for chain in (SGLD(steps=3), MALA(steps=3)):
        settings = CD(chain=chain)
        assert CD.model_validate_json(settings.model_dump_json()) == settings
    assert CD.model_validate({"chain": {"kind": "sgld", "steps": 5}}).chain == SGLD(steps=5)
