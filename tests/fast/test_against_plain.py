"""Every objective, step by step: the fast paths have the losses of the plain reference, from the same noise."""

import copy

import pytest
import torch
from helpers.networks import needs_compiler

from ebmood.core.seeding import global_torch_stream
from ebmood.fast import accelerate
from ebmood.models import DensityModel, EnergyModel, RadialFlow
from ebmood.networks import MLP, WideResNet
from ebmood.objectives import CD, SSM, VERA, Likelihood, ObjectiveSettings, Supervised
from ebmood.samplers import MALA, SGLD
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run

CLASSES = 3
LOSSES = pytest.mark.parametrize(
    ("dtype", "steps", "tolerance"), [(torch.float64, 50, 1e-9), (torch.float32, 3, 2e-4)]
)
COMPILE = pytest.mark.parametrize(
    "compile", [False, pytest.param(True, marks=needs_compiler)], ids=["python", "compiled"]
)
CHAIN = SGLD(steps=5, step_size=0.3, noise=0.05)
VERA_SETTINGS = VERA(
    noise=4, hidden=(16, 8), posterior_samples=6, entropy_weight=0.3, posterior_width=0.2, sigma=0.1
)
IMAGE_VERA = VERA(noise=4, resnet_channels=6, posterior_samples=6, entropy_weight=0.3, sigma=0.1)


def mlp(outputs: int, activation: str):
    return lambda: EnergyModel(MLP(5, (16, 16), outputs, activation, 0.2))


def wideresnet(outputs: int, activation: str = "leaky_relu"):
    return lambda: EnergyModel(WideResNet(1, outputs, width=1, activation_name=activation))


TABLES = {
    "ssm": (mlp(CLASSES, "silu"), SSM(), None, {"score_matching_terms"}),
    "ssm with labels": (mlp(CLASSES, "silu"), SSM(), 2.0, {"score_matching_terms"}),
    "ssm, one piecewise-linear logit": (mlp(1, "leaky_relu"), SSM(), None, {"score_matching_terms"}),
    "ssm, several": (mlp(CLASSES, "leaky_relu"), SSM(), None, {"score_matching_terms"}),
    "cd": (mlp(CLASSES, "silu"), CD(chain=CHAIN, buffer=90, restart=0.2), None, {"value_and_grad"}),
    "cd, conditional": (
        mlp(CLASSES, "leaky_relu"),
        CD(chain=CHAIN, buffer=90, restart=0.2, class_conditional=True),
        2.0,
        {"value_and_grad"},
    ),
    "cd, MALA": (mlp(1, "tanh"), CD(chain=MALA(steps=4), buffer=90), None, {"value_and_grad"}),
    "vera": (mlp(1, "leaky_relu"), VERA_SETTINGS, None, {"entropy_gradient", "score_matching_terms"}),
    "vera with labels": (
        mlp(CLASSES, "silu"),
        VERA_SETTINGS.updated(activation="relu"),
        2.0,
        {"entropy_gradient", "score_matching_terms"},
    ),
    "radial": (lambda: RadialFlow(5, 7), Likelihood(), None, {"transform"}),
}
IMAGES = {
    "ssm": (wideresnet(1), SSM(), None, {"score_matching_terms", "features"}),
    "ssm, several logits": (wideresnet(CLASSES), SSM(), None, {"score_matching_terms", "features"}),
    "ssm with labels, smooth": (
        wideresnet(CLASSES, "silu"),
        SSM(),
        2.0,
        {"score_matching_terms", "features", "logits"},
    ),
    "cd": (
        wideresnet(1),
        CD(chain=SGLD(steps=2, step_size=0.3, noise=0.05), buffer=12),
        None,
        {"value_and_grad", "features"},
    ),
    "vera": (wideresnet(CLASSES), IMAGE_VERA, None, {"score_matching_terms", "forward"}),
}


def training_run(
    make_model, settings: ObjectiveSettings, gamma, x: torch.Tensor, compile: bool | None
) -> tuple[list[dict[str, torch.Tensor]], set[str]]:
    """The losses of a training, and the names of the methods that were called in a faster version."""
    with global_torch_stream(4, "weights"):
        model: DensityModel = make_model().to(x.dtype)
    objective = settings.build(model, CLASSES if gamma else 1, tuple(x.shape[1:]), 0).to(x.dtype)
    if gamma:
        objective = Supervised(objective, gamma)
    y = torch.arange(len(x)) % CLASSES if gamma else None
    training = Training(batch_size=len(x), warmup=0)
    run = Run(objective, x, y, training, 0, make_fabric("cpu"), ())
    steps = 50 if x.dtype == torch.float64 else 3
    if compile is None:
        return [run.train_step(measure=False)[0] for _ in range(steps)], set()
    called: set[str] = set()
    with accelerate(objective, steps, len(x), compile):
        for module in objective.modules():
            for name, function in list(vars(module).items()):
                if callable(function) and getattr(function, "__module__", "").startswith("functools"):
                    setattr(module, name, recording(function, name, called))
        losses = [run.train_step(measure=False)[0] for _ in range(steps)]
    return losses, called


def recording(function, name: str, called: set[str]):
    def wrapper(*arguments, **named):
        called.add(name)
        return function(*arguments, **named)

    return wrapper


def assert_same_losses(case, x: torch.Tensor, compile: bool, tolerance: float) -> None:
    *settings, expected_methods = case
    reference, _ = training_run(*settings, x, None)
    fast, called = training_run(*settings, x, compile)
    assert called >= expected_methods - ({"entropy_gradient"} if not compile else set())
    for ours, expected in zip(fast, reference, strict=True):
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


@LOSSES
@COMPILE
@pytest.mark.parametrize("name", TABLES)
def test_tables(name, compile, dtype, steps, tolerance, cache):
    x = torch.rand(64, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)
    assert_same_losses(TABLES[name], x, compile, tolerance)


@pytest.mark.slow
@LOSSES
@COMPILE
@pytest.mark.parametrize("name", IMAGES)
def test_images(name, compile, dtype, steps, tolerance, cache):
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64).to(dtype) * 2 - 1
    assert_same_losses(IMAGES[name], x, compile, tolerance)


def test_the_model_is_the_same_object_with_the_same_state_afterwards():
    model = mlp(1, "silu")()
    before = copy.deepcopy(model.state_dict())
    objective = SSM().build(model, 1, (5,), 0)
    with accelerate(objective, 10, 8):
        assert "value_and_grad" in vars(model)
    assert "value_and_grad" not in vars(model)
    torch.testing.assert_close(model.state_dict(), before)
