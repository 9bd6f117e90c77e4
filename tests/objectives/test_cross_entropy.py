"""Training of a classifier."""

import pytest
import torch

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import AdamW, Batch, CrossEntropy
from ebmood.training import Training, make_fabric, train


def test_the_loss_is_the_mean_of_minus_log_p_of_the_class(noise):
    torch.manual_seed(0)
    model = EnergyModel(MLP(2, (8,), 3, "silu"))
    x, y = torch.randn(12, 2, generator=noise), torch.arange(12) % 3
    loss, logs = CrossEntropy().build(model, 3, (2,), 0).loss(Batch(x, y), noise)
    logits = model.logits(x).detach()
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(loss.detach(), -p[torch.arange(12), y].log().mean())
    assert logs["accuracy"].item() == pytest.approx(float((p.argmax(1) == y).float().mean()))


def test_training_separates_two_classes(noise):
    y = torch.randint(2, (1000,), generator=noise)
    x = torch.randn(1000, 2, generator=noise) * 0.3 + (2.0 * y[:, None] - 1)
    torch.manual_seed(0)
    objective = CrossEntropy(optimiser=AdamW(lr=1e-2)).build(EnergyModel(MLP(2, (8,), 2)), 2, (2,), 0)
    train(objective, x, y, Training(steps=100, batch_size=100, warmup=0), 0, make_fabric("cpu"))
    assert (objective.model.logits(x).argmax(1) == y).float().mean() > 0.99


def test_flows_are_an_error():
    with pytest.raises(TypeError, match="cross-entropy trains energy models"):
        CrossEntropy().build(RadialFlow(2, 1), 2, (2,), 0)
