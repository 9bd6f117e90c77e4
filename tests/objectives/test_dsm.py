import torch

from ebmood.models import DenoisingEnergy, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import AdamW, MultilevelDenoising
from ebmood.training.trainer import Training, make_fabric, train

SIGMAS = (0.3, 1.0)
COVARIANCE = torch.tensor([[2.0, 0.8], [0.8, 0.6]])


def test_the_scores_of_a_gaussian_are_recovered_at_every_level() -> None:
    # The base is wrong on purpose: the network has to learn the difference.
    rows = (
        torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) @ torch.linalg.cholesky(COVARIANCE).T
    )
    torch.manual_seed(0)
    model = DenoisingEnergy(TiedMixture(2, 1), MLP(2, (48, 48), 2, "silu"), SIGMAS)
    training = Training(steps=800, batch_size=512, warmup=50, halve_every=20)
    at = rows[:500].clone().requires_grad_(True)
    before = [_error(model, at, level) for level in range(2)]
    objective = MultilevelDenoising(model, AdamW(lr=5e-3))
    train(objective, rows, None, training, 0, make_fabric("cpu"))
    after = [_error(model, at, level) for level in range(2)]
    for start, end in zip(before, after, strict=True):
        assert start > 0.2
        assert end < 0.1


def _error(model: DenoisingEnergy, x: torch.Tensor, level: int) -> float:
    """Relative squared error of the score at one level: the truth is -(C + sigma^2 I)^-1 x."""
    truth = -x.detach() @ torch.linalg.inv(COVARIANCE + SIGMAS[level] ** 2 * torch.eye(2))
    (score,) = torch.autograd.grad(model.log_densities(x)[:, level].sum(), x)
    return float((score - truth).square().sum() / truth.square().sum())
