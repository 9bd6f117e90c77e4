"""The smallest change of an untrained model: the last bit of one weight.

A training that turns this change into other scores is not repeatable: its result depends on rounding.
"""

import copy
import math

import torch
from torch import Tensor

from ebmood.core.errors import InputError
from ebmood.core.moved_weight import MovedWeight
from ebmood.models.density import DensityModel


def nudge_last_bit(model: DensityModel, x: Tensor) -> MovedWeight:
    """Move one weight to the next larger number of its type, in place.

    It is the first weight, in the order of the parameters and of their entries, that is not zero and has an influence
    on the log-density. Weights behind a mask, or of a column that is zero in all rows, have none.

    Args:
        model: an untrained model.
        x: some training rows in the model's units, `(N, *shape)`.

    Raises:
        InputError: no weight has an influence.
    """
    name, index = _first_weight(model, x)
    weights = model.get_parameter(name).detach()  # the same memory
    before = weights[index].clone()
    weights[index] = torch.nextafter(before, torch.full_like(before, math.inf))
    return MovedWeight(parameter=name, index=index, before=float(before), after=float(weights[index]))


def _first_weight(model: DensityModel, x: Tensor) -> tuple[str, tuple[int, ...]]:
    probe = copy.deepcopy(model).eval()
    with torch.no_grad():
        for parameter in probe.parameters():
            # A last layer that starts at zero would hide the influence of all layers before it.
            parameter.masked_fill_(parameter == 0, 0.1)
    trained = {name: probed for name, probed in probe.named_parameters() if probed.requires_grad}
    if trained:
        with torch.enable_grad():
            probe.log_density(x).sum().backward(inputs=list(trained.values()))
    for name, probed in trained.items():
        if probed.grad is None:
            continue
        weights = model.get_parameter(name)
        is_normal = (
            weights.abs() >= torch.finfo(weights.dtype).tiny
        )  # zero plus the last bit has no influence
        found = (probed.grad.isfinite() & (probed.grad != 0) & is_normal).nonzero()
        if len(found):
            return name, tuple(found[0].tolist())
    raise InputError("no weight of the model has an influence on its log-density, so none can be moved")
