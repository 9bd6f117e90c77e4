"""An energy model with a closed form, a Gaussian of unknown precision: `F(x) = -x' P x / 2`."""

import torch
from torch import Tensor, nn

from ebmood.models import EnergyModel
from ebmood.objectives import ObjectiveSettings
from ebmood.training import Training, make_fabric, train


class Quadratic(nn.Module):
    """`x -> -|x L|^2 / 2`, so that `P = L L'`."""

    def __init__(self, features: int):
        super().__init__()
        self.factor = nn.Parameter(torch.eye(features))

    def forward(self, x: Tensor) -> Tensor:
        return -0.5 * (x @ self.factor).square().sum(1, keepdim=True)


def quadratic_model(features: int) -> EnergyModel:
    return EnergyModel(Quadratic(features))


def diagonal_model(*factors: float) -> EnergyModel:
    """A model whose precision is the diagonal matrix of the squared factors."""
    model = quadratic_model(len(factors))
    with torch.no_grad():
        model.network.factor.copy_(torch.diag(torch.tensor(factors)))
    return model


def precision(model: EnergyModel) -> Tensor:
    factor = model.network.factor.detach()
    return factor @ factor.T


PRECISION = torch.tensor([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.7]])


def gaussian_rows(count: int, generator: torch.Generator) -> Tensor:
    """Rows whose sample covariance is exactly the inverse of `PRECISION`, so that there is no sampling error."""
    rows = torch.randn(count, 3, generator=generator)
    rows = rows - rows.mean(0)
    whitened = rows @ torch.linalg.inv(torch.linalg.cholesky(rows.T @ rows / count)).T
    return whitened @ torch.linalg.cholesky(torch.linalg.inv(PRECISION)).T


def fit_precision(settings: ObjectiveSettings, rows: Tensor, training: Training) -> Tensor:
    """Return the precision of a quadratic model that is trained on rows."""
    model = quadratic_model(rows.shape[1])
    objective = settings.build(model, 1, tuple(rows.shape[1:]), seed=0)
    train(objective, rows, None, training, seed=0, fabric=make_fabric("cpu"))
    return precision(model)


def relative_error(estimate: Tensor, truth: Tensor = PRECISION) -> float:
    return float(torch.linalg.norm(estimate - truth) / torch.linalg.norm(truth))
