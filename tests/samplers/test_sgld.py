import torch
from torch import nn

from ebmood.models import EnergyModel
from ebmood.networks import WideResNet, precision
from ebmood.objectives import CD
from ebmood.samplers import SGLD, ReplayBuffer


def score_of_standard_normal(x):
    return -x


def test_matched_noise_leaves_a_normal_normal(noise):
    a = 0.02
    x = torch.randn(8000, 2, generator=noise)
    x = SGLD(steps=300, step_size=a, noise=(2 * a) ** 0.5).sample(score_of_standard_normal, x, noise)
    assert x.mean(0).abs().max() < 4 / 8000**0.5
    # The Euler step's own variance is 1 / (1 - a / 2); the rest is sampling error.
    assert (x.var(0) - 1 / (1 - a / 2)).abs().max() < 4 * (2 / 8000) ** 0.5
    assert (x.pow(4).mean(0) - 3).abs().max() < 0.4
    assert abs(float((x[:, 0] * x[:, 1]).mean())) < 4 / 8000**0.5


def test_published_noise_freezes_at_the_mode(noise):
    x = torch.randn(1000, 2, generator=noise)
    x = SGLD(steps=300, step_size=0.02, noise=0.01).sample(score_of_standard_normal, x, noise)
    assert x.std() < 0.1


def test_one_step_is_the_formula(noise):
    x = torch.randn(5, 3, generator=noise)
    expected = x - 0.3 * x
    result = SGLD(steps=1, step_size=0.3, noise=0.0).sample(score_of_standard_normal, x.clone(), noise)
    torch.testing.assert_close(result, expected)


def test_clipped_chains_stay_inside(noise):
    chain = SGLD(steps=20, step_size=1.0, noise=2.0, clip=(-0.5, 0.25))
    x = chain.sample(score_of_standard_normal, torch.zeros(100, 2), noise)
    assert x.min() >= -0.5
    assert x.max() <= 0.25


class TwoHills(nn.Module):
    """Class 0 is a hill at (-2, 0), class 1 one at (2, 0); class 0 is far likelier."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor([[-2.0, 0.0], [2.0, 0.0]]))

    def forward(self, x):
        return -0.5 * (x[:, None] - self.centres).square().sum(2) + torch.tensor([5.0, 0.0])


def chain_ends(class_conditional: bool, noise):
    settings = CD(
        chain=SGLD(steps=200, step_size=0.05, noise=0.01), class_conditional=class_conditional, buffer=100
    )
    objective = settings.build(EnergyModel(TwoHills()), 2, (2,), seed=0)
    objective.negatives(2000, noise)  # enough to use every slot
    return objective


def test_class_conditional_chains_climb_their_own_hill(noise):
    ends = chain_ends(True, noise).buffer.samples
    assert (ends[1::2, 0] > 1.5).all()
    assert (ends[0::2, 0] < -1.5).all()


def test_unconditional_chains_follow_the_marginal(noise):
    ends = chain_ends(False, noise).buffer.samples
    # In (-1, 1)^2, where chains start, F is dominated by the likelier hill.
    assert (ends[:, 0] < -1.5).all()


def test_weights_get_no_gradient_from_chains_and_keep_their_flag(noise):
    objective = chain_ends(True, noise)
    assert objective.model.network.centres.grad is None
    assert objective.model.network.centres.requires_grad


def test_the_fraction_of_restarts(noise):
    buffer = ReplayBuffer(500, (2,), restart=0.2, classes=1, generator=noise)
    buffer.put(torch.arange(500), torch.full((500, 2), 7.0))
    x, _, _ = buffer.draw(5000, noise)
    restarted = (x != 7.0).all(1)
    assert abs(float(restarted.float().mean()) - 0.2) < 4 * (0.16 / 5000) ** 0.5
    assert x[restarted].abs().max() <= 1


def test_bf16_gradients_are_close_to_float32_and_do_not_change_noise_or_weights(noise, monkeypatch):
    # A processor without bfloat16 emulates it, slowly.
    monkeypatch.setattr(precision, "supports_bf16", lambda device: True)
    torch.manual_seed(0)
    model = EnergyModel(WideResNet(1, 1, activation_name="silu"))
    x = torch.rand(4, 1, 8, 8)
    full, half = (
        SGLD(steps=3, step_size=0.1, precision=precision_name).run(model, x, None, noise.manual_seed(1))
        for precision_name in (None, "bf16")
    )
    assert half.dtype == torch.float32
    distance = (full - x).norm()
    assert 0 < (half - full).norm() < 0.05 * distance
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
