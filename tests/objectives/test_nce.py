import pytest
import torch
from torch.distributions import Normal

from ebmood.models import AnchoredEnergy, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import AdamW, Batch, NoiseContrastive, Supervised
from ebmood.training.trainer import Training, make_fabric, train

TRAINING = Training(steps=600, batch_size=512, warmup=30, halve_every=25)


def start(classes: int = 1) -> NoiseContrastive:
    torch.manual_seed(0)
    model = AnchoredEnergy(TiedMixture(1, 1, classes), MLP(1, (32, 32), classes, "silu"))
    return NoiseContrastive(model, widen=2.0, optimiser=AdamW(lr=5e-3))


def test_a_known_log_ratio_is_recovered_normalised() -> None:
    # Data N(0.5, 0.8^2), base N(0, 1): f = log p - log q is a parabola, constant included.
    x = 0.5 + 0.8 * torch.randn(8000, 1, generator=torch.Generator().manual_seed(1))
    objective = start()
    train(objective, x, None, TRAINING, 0, make_fabric("cpu"))
    at = torch.linspace(-1, 2, 31)[:, None]
    truth = Normal(0.5, 0.8).log_prob(at) - Normal(0.0, 1.0).log_prob(at)
    with torch.no_grad():
        learnt = objective.model.network(at)
    assert (learnt - truth).abs().max() < 0.2
    assert truth.max() - truth.min() > 1


def test_where_the_base_is_the_data_there_is_nothing_to_learn() -> None:
    x = torch.randn(8000, 1, generator=torch.Generator().manual_seed(2))
    objective = start()
    train(objective, x, None, TRAINING, 0, make_fabric("cpu"))
    with torch.no_grad():
        learnt = objective.model.network(torch.linspace(-1.5, 1.5, 31)[:, None])
    assert learnt.abs().max() < 0.25


def test_far_away_the_energy_falls_with_its_base() -> None:
    x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(3))
    objective = start()
    train(objective, x, None, TRAINING.updated(steps=100), 0, make_fabric("cpu"))
    with torch.no_grad():
        values = objective.model.log_density(torch.tensor([[0.0], [10.0], [100.0], [1000.0], [-1000.0]]))
    assert (values[1:4].diff() < 0).all()
    assert values[1:].max() < values[0] - 20


def test_noise_is_half_base_half_widened_and_untouched_by_training() -> None:
    objective = start()
    noise = objective.noise(20_000, torch.Generator().manual_seed(4))
    assert float(noise.var()) == pytest.approx((1 + 4) / 2, rel=0.05)
    trained = {id(p) for player in objective.players() for p in player.parameters}
    assert trained == {id(p) for p in objective.model.network.parameters()}


def test_with_labels_the_logits_are_a_classifier_too() -> None:
    generator = torch.Generator().manual_seed(5)
    y = torch.randint(2, (4000,), generator=generator)
    x = torch.randn(4000, 1, generator=generator) * 0.5 + (y[:, None] * 2.0 - 1)
    objective = start(classes=2)
    train(Supervised(objective, 1.0), x, y, TRAINING.updated(steps=300), 0, make_fabric("cpu"))
    with torch.no_grad():
        logits = objective.model.logits(x)
        loss, _ = objective.loss(Batch(x, y), generator)
    assert ((logits.argmax(1) == y).float().mean()) > 0.96
    assert float(loss) < 1.3
