"""What ASH and SCALE share: the largest features of a row, and the factor that depends on them."""

import torch
from torch import Tensor


def kept(features: int, percentile: float) -> int:
    """Return how many of the features remain if the smallest `percentile` percent are removed, at least one."""
    return max(1, features - round(features * percentile / 100))


def largest_only(features: Tensor, count: int) -> Tensor:
    """Return features with zeros for all but the `count` largest of each row: `(N, E) -> (N, E)`."""
    values, columns = features.topk(count, dim=1)
    return torch.zeros_like(features).scatter(1, columns, values)


def factor(features: Tensor, count: int) -> Tensor:
    """Return `exp(s1 / s2)`: s1 is the sum of features, s2 that of the `count` largest; `(N, E) -> (N, 1)`.

    For features that are not negative, the ratio is between 1 and `E / count`. It is held in this range for others,
    and is 1 for a row of zeros.
    """
    total = features.sum(1, keepdim=True)
    largest = features.topk(count, dim=1).values.sum(1, keepdim=True)
    is_positive = largest > 0
    ratio = torch.where(is_positive, total / torch.where(is_positive, largest, 1.0), 1.0)
    return ratio.clamp(1.0, features.shape[1] / count).exp()
