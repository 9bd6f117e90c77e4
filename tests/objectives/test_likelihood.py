"""Maximum likelihood: its loss on rows and on bytes, and its warnings."""

import numpy as np
import pytest
import torch
from helpers.flows import IMAGE_FLOWS, build_flow, random_images
from helpers.quadratic import quadratic_model

from ebmood.models import RadialFlow
from ebmood.objectives import AdamW, Batch, Likelihood
from ebmood.training import Training, make_fabric, train


def test_the_loss_is_minus_the_mean_log_density(noise):
    flow = RadialFlow(2, 3)
    x = torch.randn(10, 2, generator=noise)
    objective = Likelihood().build(flow, 1, (2,), 0)
    expected = -flow.log_density(x).mean()
    torch.testing.assert_close(objective.loss(Batch(x, None), noise)[0], expected)
    torch.testing.assert_close(objective.validation_loss(x), expected)


def test_training_reaches_the_entropy_of_a_standard_normal(noise):
    """A radial flow contains the identity: the least loss is the entropy, log(2 pi e) in two dimensions."""
    x = torch.randn(4096, 2, generator=noise)
    torch.manual_seed(0)
    objective = Likelihood(optimiser=AdamW(lr=1e-2)).build(RadialFlow(2, 4), 1, (2,), 0)
    train(objective, x, None, Training(steps=200, batch_size=512, warmup=0), 0, make_fabric("cpu"))
    loss = objective.validation_loss(torch.randn(4096, 2, generator=noise)).detach()
    assert float(loss) == pytest.approx(float(torch.log(torch.tensor(2 * torch.pi)) + 1), abs=0.06)


def test_training_dequantizes_bytes_and_scores_use_the_centres_of_bins():
    pytest.importorskip("normflows")
    flow = build_flow(IMAGE_FLOWS["realnvp"], (1, 8, 8)).eval()
    x = random_images((1, 8, 8), 16)
    objective = Likelihood().build(flow, 1, (1, 8, 8), 0)

    def loss(seed):
        return float(objective.loss(Batch(x, None), torch.Generator().manual_seed(seed))[0].detach())

    assert loss(1) == loss(1) != loss(2)
    dequantized = flow.dequantize(x, torch.Generator().manual_seed(1))
    assert loss(1) == pytest.approx(-float(flow.log_density(dequantized).mean().detach()))
    assert torch.equal(flow.log_density(x), flow.log_density(x))
    assert float(objective.validation_loss(x).detach()) == -float(flow.log_density(x).mean().detach())


def test_the_loss_is_unbounded_on_constant_columns_but_not_on_bytes():
    assert Likelihood().unbounded_on(np.zeros((9, 1, 8, 8), np.uint8)) is None
    assert Likelihood().unbounded_on(np.zeros((9, 4), np.float32)) is not None


def test_models_that_are_not_normalised_are_an_error():
    with pytest.raises(TypeError, match="normalised"):
        Likelihood().build(quadratic_model(2), 1, (2,), 0)
