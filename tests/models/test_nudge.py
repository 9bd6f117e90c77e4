import copy

import pytest
import torch
from helpers.small_recipes import image_split, moons_split, short_image_recipe, shorten
from torch import nn

from ebmood.core.errors import InputError
from ebmood.data.units import model_rows
from ebmood.models import EnergyModel, nudge_last_bit
from ebmood.recipes import METHODS


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Float32 numbers as integers, in which neighbours of one sign differ by one."""
    assert tensor.dtype == torch.float32
    return tensor.detach().view(torch.int32).to(torch.int64)


def moved_bits(before: dict, after: dict) -> dict[str, int]:
    """The sum of absolute differences in bits of each tensor that is not equal."""
    unequal = [name for name in before if not torch.equal(before[name], after[name])]
    return {name: int((bits(before[name]) - bits(after[name])).abs().sum()) for name in unequal}


@pytest.mark.parametrize(
    ("method", "variant"),
    [("ssm", "corrected"), ("ssm", "modern"), ("cd", "modern"), ("nce", "corrected"), ("radial", "both"),
     ("spline", "both")],
)  # fmt: skip
def test_exactly_one_weight_moves_by_exactly_one_bit(method, variant):
    split = moons_split()
    model = shorten(METHODS[method](variant, None)).untrained(split, seed=0).model
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    nudge = nudge_last_bit(model, model_rows(split.train_x[:16]))
    assert moved_bits(before, model.state_dict()) == {nudge.parameter: 1}
    weight = model.state_dict()[nudge.parameter][nudge.index]
    assert (float(weight), float(before[nudge.parameter][nudge.index])) == (nudge.after, nudge.before)
    assert 0 < nudge.after - nudge.before < 2e-7 * abs(nudge.before)
    assert torch.equal(torch.get_rng_state(), random)


def test_weights_of_networks_on_images_can_move():
    split = image_split()
    for method in ("cd", "glow"):
        model = short_image_recipe(method).untrained(split, seed=0).model
        before = copy.deepcopy(model.state_dict())
        nudge_last_bit(model, model_rows(split.train_x[:16]))
        assert list(moved_bits(before, model.state_dict()).values()) == [1]


def test_weights_without_influence_stay():
    network = nn.Linear(3, 1, bias=False)  # a random bias may hide the last bit
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, 0.0, -0.25]]))
    x = torch.tensor(
        [[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]]
    )  # the first column is zero, and so is the second weight
    model = EnergyModel(network)
    assert nudge_last_bit(model, x).index == (0, 2)
    score = model.log_density(x)
    assert nudge_last_bit(model, x).before > -0.25  # again: it moved
    assert not torch.equal(model.log_density(x), score)


def test_a_model_without_weights_is_an_error():
    frozen = EnergyModel(nn.Linear(2, 1).requires_grad_(False))
    with pytest.raises(InputError, match="no weight of the model has an influence"):
        nudge_last_bit(frozen, torch.ones(4, 2))
