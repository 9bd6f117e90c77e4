"""An energy model with a closed form: a Gaussian of unknown precision, `F(x) = -x' P x / 2`."""

import torch
from torch import Tensor, nn

from ebmood.models import EnergyModel


class Quadratic(nn.Module):
    """`x -> -|x L|^2 / 2`, so that `P = L L'`."""

    def __init__(self, features: int):
        super().__init__()
        self.factor = nn.Parameter(torch.eye(features))

    def forward(self, x: Tensor) -> Tensor:
        return -0.5 * (x @ self.factor).square().sum(1, keepdim=True)


def quadratic_model(features: int) -> EnergyModel:
    return EnergyModel(Quadratic(features))


def precision(model: EnergyModel) -> Tensor:
    factor = model.network.factor.detach()
    return factor @ factor.T


PRECISION = torch.tensor([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.7]])


def gaussian_rows(count: int, generator: torch.Generator) -> Tensor:
    """Rows whose sample covariance is exactly the inverse of `PRECISION`, so that no sampling error is left."""
    rows = torch.randn(count, 3, generator=generator)
    rows = rows - rows.mean(0)
    whitened = rows @ torch.linalg.inv(torch.linalg.cholesky(rows.T @ rows / count)).T
    return whitened @ torch.linalg.cholesky(torch.linalg.inv(PRECISION)).T
