"""What holds for every objective, and the helpers that objectives share."""

import numpy as np
import pytest
import torch
from helpers.quadratic import quadratic_model

from ebmood.models import AnchoredEnergy, DensityModel, EnergyModel, RadialFlow, TiedMixture
from ebmood.networks import MLP
from ebmood.objectives import CD, DSM, NCE, SSM, VERA, Batch, CrossEntropy, Likelihood
from ebmood.objectives.objective import describe_atoms, require_energy_model
from ebmood.samplers import MALA, SGLD

OBJECTIVES = {
    "cd": CD(chain=SGLD(steps=2), buffer=64),
    "cd with mala": CD(chain=MALA(steps=2), buffer=64, class_entropy=0.1),
    "cross-entropy": CrossEntropy(),
    "dsm": DSM(),
    "likelihood": Likelihood(),
    "nce": NCE(),
    "ssm": SSM(),
    "vera": VERA(noise=4, hidden=(8,), entropy_weight=1.0),
}
BATCH = Batch(torch.rand(32, 2), torch.arange(32) % 3)


def build_model(name: str) -> DensityModel:
    torch.manual_seed(0)
    if name == "likelihood":
        return RadialFlow(2, 3)
    network = MLP(2, (16,), 3, "silu")
    return AnchoredEnergy(TiedMixture(2, 1, 3), network) if name == "nce" else EnergyModel(network)


def build_objective(name: str, seed: int = 0):
    return OBJECTIVES[name].build(build_model(name), 3, (2,), seed)


def losses(objective) -> list[torch.Tensor]:
    return [
        player.loss(BATCH, torch.Generator().manual_seed(1))[0].detach() for player in objective.players()
    ]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_players_share_no_parameters_and_the_first_trains_the_model(name):
    objective = build_objective(name)
    owners = [{id(parameter) for parameter in player.parameters} for player in objective.players()]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert set.union(*owners) == {id(parameter) for parameter in objective.parameters()}
    assert owners[0] == {id(parameter) for parameter in objective.model.parameters()}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_are_finite_scalars_with_gradients_for_their_players(name):
    objective = build_objective(name)
    for player in objective.players():
        loss, logs = player.loss(BATCH, torch.Generator().manual_seed(1))
        assert loss.shape == ()
        assert loss.isfinite()
        assert not any(value.requires_grad for value in logs.values())
        gradients = torch.autograd.grad(loss, player.parameters, allow_unused=True)
        assert any(gradient is not None and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_state_dict_holds_everything_that_losses_depend_on(name):
    first, second = build_objective(name, seed=0), build_objective(name, seed=1)
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.add_(0.01)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(losses(first), losses(second), rtol=0, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_settings_are_restored_from_json(name):
    settings = OBJECTIVES[name]
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"likelihood"}))
def test_flows_are_an_error_for_objectives_of_energies(name):
    with pytest.raises(TypeError, match=r"trains .*energy models"):
        OBJECTIVES[name].build(RadialFlow(2, 1), 1, (2,), 0)


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"likelihood", "nce", "dsm"}))
def test_objectives_without_a_held_out_loss_say_so(name):
    with pytest.raises(NotImplementedError, match="validation loss"):
        build_objective(name).validation_loss(BATCH.x)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_negatives_have_the_shape_of_inputs(name, noise):
    negatives = build_objective(name).sample_negatives(5, noise)
    assert all(samples.shape == (5, 2) for samples in negatives.values())
    assert set(negatives) == {"cd": {"chains"}, "cd with mala": {"chains"}, "vera": {"generator"}}.get(
        name, set()
    )


def test_columns_in_which_a_tenth_of_the_rows_are_equal_are_described():
    x = np.random.default_rng(0).normal(size=(500, 3))
    assert describe_atoms(x) is None
    x[:49, 1] = 0.25
    assert describe_atoms(x) is None
    x[:50, 1] = 0.25
    x[:200, 2] = 0.5
    description = describe_atoms(x)
    assert description is not None
    assert description.startswith(
        "2 of 3 columns repeat one value in a tenth of the rows or more (most often column 2)"
    )


def test_an_energy_model_is_required():
    model = quadratic_model(2)
    assert require_energy_model(model, "SSM") is model
    with pytest.raises(TypeError, match="SSM trains energy models, not RadialFlow"):
        require_energy_model(RadialFlow(2, 1), "SSM")
