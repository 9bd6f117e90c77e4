"""Every objective, sampler and kind of data: a run that is interrupted and resumed gives bitwise equal results.

The resumed run is initialised with another seed, so that state missing in the checkpoint changes the result.
"""

import inspect
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ebmood.core.seeding import global_torch_stream
from ebmood.data import Toy, split_dataset
from ebmood.data.augmentation import Augmentation
from ebmood.models import (
    AnchoredEnergy,
    DenoisingEnergy,
    DensityModel,
    EnergyModel,
    Glow,
    ModelSettings,
    Radial,
    RealNVP,
    Spline,
    TiedMixture,
    WhitenedModel,
    Whitening,
)
from ebmood.networks import MLP, WideResNet
from ebmood.objectives import (
    CD,
    DSM,
    NCE,
    SSM,
    VERA,
    AdamW,
    ConditionalNCE,
    ContrastiveDivergence,
    CrossEntropy,
    EnergyDiscrepancy,
    InWhitenedCoordinates,
    Likelihood,
    MultilevelDenoising,
    Objective,
    ObjectiveSettings,
    ResidualCD,
    Supervised,
)
from ebmood.samplers import MALA, SGLD
from ebmood.training import BestState, Checkpoints, Training, make_fabric, train

CPU = make_fabric("cpu")
CLASSES = 3
GENERATOR = torch.Generator().manual_seed(0)
ROWS = torch.rand(64, 4, generator=GENERATOR)
IMAGES = torch.randint(0, 256, (32, 1, 8, 8), generator=GENERATOR).to(torch.uint8)
Build = Callable[[int], Objective]


def table(settings: ObjectiveSettings, network: Callable[[], nn.Module] | None = None) -> Build:
    network = network or (lambda: MLP(4, (8, 8), CLASSES, "silu"))
    return lambda seed: settings.build(EnergyModel(network()), CLASSES, (4,), seed)


def images(settings: ObjectiveSettings) -> Build:
    return lambda seed: settings.build(EnergyModel(WideResNet(1, CLASSES, width=1)), CLASSES, (1, 8, 8), seed)


def supervised(build: Build) -> Build:
    return lambda seed: Supervised(build(seed), 0.5)


def flow(settings: ModelSettings, x: Tensor = ROWS) -> Build:
    split = split_dataset(Toy(shape="moons", rows=40).load(), seed=0)
    split = split.__class__(**{**split.__dict__, "train_x": x.numpy()})

    def build(seed: int) -> Objective:
        model: DensityModel = settings.build(split, 1)  # type: ignore[assignment]
        return Likelihood().build(model, 1, tuple(x.shape[1:]), seed)

    return build


def base() -> TiedMixture:
    """Return the same mixture at every call, because it is an input and not trained."""
    with global_torch_stream(0, "base"):
        return TiedMixture(4, 2)


def anchored() -> AnchoredEnergy:
    return AnchoredEnergy(base(), MLP(4, (8,), 1, "silu"))


def whitened(seed: int) -> Objective:
    inner = anchored()
    model = WhitenedModel(inner, Whitening(base()), noise=0.5)
    return InWhitenedCoordinates(model, NCE().build(inner, 1, (4,), seed))


def dropout_network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, CLASSES))


SHORT = Training(steps=14, batch_size=16, warmup=5)
COMPILED = Training(steps=14, batch_size=16, warmup=5, fast=True)
REFERENCE = Training(steps=14, batch_size=16, warmup=5, fast=False)
NOISY = Training(steps=14, batch_size=16, warmup=5, input_noise=0.1)
AVERAGED = Training(steps=14, batch_size=16, warmup=5, average=6)
AUGMENTED = Training(steps=14, batch_size=8, warmup=5, augmentation=Augmentation(pad=1))
AUGMENTED_AVERAGED = Training(steps=14, batch_size=8, warmup=5, augmentation=Augmentation(pad=1), average=6)
CD_SGLD = CD(chain=SGLD(steps=3), buffer=24, class_conditional=True, class_entropy=0.1)
CD_MALA = CD(chain=MALA(steps=3, step_size=0.05), buffer=24)
VERA_TABLE = VERA(noise=3, hidden=(8,), posterior_samples=3)
VERA_IMAGES = VERA(noise=3, resnet_channels=4, posterior_samples=3)

RUNS: dict[str, tuple[Build, Tensor, Training]] = {
    "ssm": (table(SSM()), ROWS, SHORT),
    "ssm, reference": (table(SSM()), ROWS, REFERENCE),
    "ssm, supervised": (supervised(table(SSM())), ROWS, AVERAGED),
    "ssm, images": (images(SSM(over="last")), IMAGES, AUGMENTED),
    "cd": (supervised(table(CD_SGLD)), ROWS, AVERAGED),
    "cd, mala": (table(CD_MALA), ROWS, NOISY),
    "cd, images": (supervised(images(CD_SGLD)), IMAGES, AUGMENTED_AVERAGED),
    "vera": (supervised(table(VERA_TABLE)), ROWS, NOISY),
    "vera, images": (images(VERA_IMAGES), IMAGES, AUGMENTED_AVERAGED),
    "radial": (flow(Radial(layers=3)), ROWS, AVERAGED),
    "radial, compiled": (flow(Radial(layers=3)), ROWS, COMPILED),
    "spline": (flow(Spline(transforms=2, hidden=(8,))), ROWS, SHORT),
    "realnvp": (flow(RealNVP(channels=4, blocks=1), IMAGES), IMAGES, AUGMENTED),
    "glow": (flow(Glow(levels=2, steps=1, channels=4), IMAGES), IMAGES, AUGMENTED),
    "classifier with dropout": (table(CrossEntropy(), dropout_network), ROWS, SHORT),
    "dsm": (table(DSM()), ROWS, SHORT),
    "dsm, multilevel": (
        lambda seed: MultilevelDenoising(DenoisingEnergy(base(), MLP(4, (8,), 2, "silu"), (0.3, 1)), AdamW()),
        ROWS,
        SHORT,
    ),
    "residual cd": (
        lambda seed: ResidualCD(buffer=24).build(anchored(), 1, (4,), seed),
        ROWS,
        AVERAGED,
    ),
    "energy discrepancy": (table(EnergyDiscrepancy(samples=3)), ROWS, SHORT),
    "conditional nce": (table(ConditionalNCE()), ROWS, SHORT),
    "whitened": (lambda seed: whitened(seed), ROWS, AVERAGED),
    "nce": (
        lambda seed: NCE().build(AnchoredEnergy(base(), MLP(4, (8,), 1, "silu")), 1, (4,), seed),
        ROWS,
        SHORT,
    ),
}


class Stop(Exception):  # noqa: N818
    pass


def stop(progress) -> None:
    if progress.step == 10:
        raise Stop


def run(name, seed, report=None, checkpoints=None) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Train with initial values drawn from `seed`. Return all tensors and the history."""
    build, x, training = RUNS[name]
    torch.manual_seed(seed)
    objective = build(seed)
    y = torch.arange(len(x)) % CLASSES
    hooks = [BestState(objective, lambda: float(sum(p.sum() for p in objective.parameters())), every=2)]
    trained = train(objective, x, y, training, 0, CPU, hooks, report, checkpoints=checkpoints)
    return {name: tensor.numpy() for name, tensor in objective.state_dict().items()}, trained.history


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_gives_bitwise_equal_results(name, tmp_path):
    expected, expected_history = run(name, seed=1)
    with pytest.raises(Stop):
        run(name, seed=1, report=stop, checkpoints=Checkpoints(tmp_path, steps=4))
    steps: list[int] = []
    resumed, history = run(
        name, seed=2, report=lambda progress: steps.append(progress.step), checkpoints=Checkpoints(tmp_path)
    )
    assert steps[0] == 9, "it resumes after the checkpoint of step 8"
    assert expected.keys() == resumed.keys()
    for key, tensor in expected.items():
        assert tensor.tobytes() == resumed[key].tobytes(), key
    assert expected_history == history


def shipped_objectives(kind: type[Objective]) -> set[type[Objective]]:
    """The classes of the package that derive from `kind` and can be instantiated."""
    subclasses = set().union(*(shipped_objectives(subclass) for subclass in kind.__subclasses__()))
    shipped = kind.__module__.startswith("ebmood.") and not inspect.isabstract(kind)
    return subclasses | ({kind} if shipped else set())


def test_every_objective_and_sampler_is_tested():
    objectives = [build(0) for build, *_ in RUNS.values()]
    wrappers = (Supervised, InWhitenedCoordinates)
    objectives += [objective.objective for objective in objectives if isinstance(objective, wrappers)]
    assert shipped_objectives(Objective) <= {type(objective) for objective in objectives}
    chains = {type(one.settings.chain) for one in objectives if isinstance(one, ContrastiveDivergence)}
    assert chains == set(get_args(CD.model_fields["chain"].annotation))
