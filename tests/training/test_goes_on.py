"""Every objective, sampler and kind of data: a run that stops in the middle and goes on ends in the same bits.

What goes on is started from another seed, so that anything which a checkpoint does not hold differs from then on.
"""

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
)
from ebmood.networks import MLP, WideResNet
from ebmood.objectives import (
    CD,
    SSM,
    VERA,
    AdamW,
    AnyObjective,
    CrossEntropy,
    Likelihood,
    MultilevelDenoising,
    NoiseContrastive,
    Objective,
    ObjectiveSettings,
    Supervised,
)
from ebmood.samplers import MALA, SGLD
from ebmood.training import BestState, Checkpoints, Training, make_fabric, train

CPU = make_fabric("cpu")
CLASSES = 3
DICE = torch.Generator().manual_seed(0)
ROWS = torch.rand(64, 4, generator=DICE)
IMAGES = torch.randint(0, 256, (32, 1, 8, 8), generator=DICE).to(torch.uint8)
Start = Callable[[int], Objective]


def table(settings: ObjectiveSettings, network: Callable[[], nn.Module] | None = None) -> Start:
    network = network or (lambda: MLP(4, (8, 8), CLASSES, "silu"))
    return lambda seed: settings.build(EnergyModel(network()), CLASSES, (4,), seed)


def images(settings: ObjectiveSettings) -> Start:
    return lambda seed: settings.build(EnergyModel(WideResNet(1, CLASSES, width=1)), CLASSES, (1, 8, 8), seed)


def supervised(start: Start) -> Start:
    return lambda seed: Supervised(start(seed), 0.5)


def flow(settings: ModelSettings, x: Tensor = ROWS) -> Start:
    split = split_dataset(Toy(shape="moons", rows=40).load(), seed=0)
    split = split.__class__(**{**split.__dict__, "train_x": x.numpy()})

    def build(seed: int) -> Objective:
        model: DensityModel = settings.build(split, 1)  # type: ignore[assignment]
        return Likelihood().build(model, 1, tuple(x.shape[1:]), seed)

    return build


def base() -> TiedMixture:
    """The same each time: it is given, not trained."""
    with global_torch_stream(0, "base"):
        return TiedMixture(4, 2)


def forgetful() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, CLASSES))


SHORT = Training(steps=14, batch_size=16, warmup=5)
NOISY = Training(steps=14, batch_size=16, warmup=5, input_noise=0.1)
MEAN = Training(steps=14, batch_size=16, warmup=5, average=6)
MOVED = Training(steps=14, batch_size=8, warmup=5, augmentation=Augmentation(pad=1))
MOVED_MEAN = Training(steps=14, batch_size=8, warmup=5, augmentation=Augmentation(pad=1), average=6)
CHAINS = CD(chain=SGLD(steps=3), buffer=24, class_conditional=True, class_entropy=0.1)
REFUSING = CD(chain=MALA(steps=3, step_size=0.05), buffer=24)
GAME = VERA(noise=3, hidden=(8,), posterior_samples=3)
IMAGE_GAME = VERA(noise=3, resnet_channels=4, posterior_samples=3)

RUNS: dict[str, tuple[Start, Tensor, Training]] = {
    "ssm": (table(SSM()), ROWS, SHORT),
    "ssm, supervised": (supervised(table(SSM())), ROWS, MEAN),
    "ssm, images": (images(SSM(over="last")), IMAGES, MOVED),
    "cd": (supervised(table(CHAINS)), ROWS, MEAN),
    "cd, mala": (table(REFUSING), ROWS, NOISY),
    "cd, images": (supervised(images(CHAINS)), IMAGES, MOVED_MEAN),
    "vera": (supervised(table(GAME)), ROWS, NOISY),
    "vera, images": (images(IMAGE_GAME), IMAGES, MOVED_MEAN),
    "radial": (flow(Radial(layers=3)), ROWS, MEAN),
    "radial, compiled": (flow(Radial(layers=3, compiled=True)), ROWS, SHORT),
    "spline": (flow(Spline(transforms=2, hidden=(8,))), ROWS, SHORT),
    "realnvp": (flow(RealNVP(channels=4, blocks=1), IMAGES), IMAGES, MOVED),
    "glow": (flow(Glow(levels=2, steps=1, channels=4), IMAGES), IMAGES, MOVED),
    "classifier with dropout": (table(CrossEntropy(), forgetful), ROWS, SHORT),
    "dsm": (
        lambda seed: MultilevelDenoising(DenoisingEnergy(base(), MLP(4, (8,), 2, "silu"), (0.3, 1)), AdamW()),
        ROWS,
        SHORT,
    ),
    "nce": (
        lambda seed: NoiseContrastive(AnchoredEnergy(base(), MLP(4, (8,), 1, "silu")), 2, AdamW()),
        ROWS,
        SHORT,
    ),
}


class Stop(Exception):  # noqa: N818
    pass


def stop(progress) -> None:
    if progress.step == 10:
        raise Stop


def ended(name, seed, report=None, checkpoints=None) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """All that a run is left with, where what it starts from is drawn from `seed`."""
    start, x, training = RUNS[name]
    torch.manual_seed(seed)
    objective = start(seed)
    y = torch.arange(len(x)) % CLASSES
    hooks = [BestState(objective, lambda: float(sum(p.sum() for p in objective.parameters())), every=2)]
    hooks = hooks if training.average is None else []
    trained = train(objective, x, y, training, 0, CPU, hooks, report, checkpoints=checkpoints)
    return {name: tensor.numpy() for name, tensor in objective.state_dict().items()}, trained.history


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_goes_on_ends_in_the_same_bits(name, tmp_path):
    whole, history = ended(name, seed=1)
    with pytest.raises(Stop):
        ended(name, seed=1, report=stop, checkpoints=Checkpoints(tmp_path, steps=4))
    told: list[int] = []
    again, history_again = ended(
        name, seed=2, report=lambda progress: told.append(progress.step), checkpoints=Checkpoints(tmp_path)
    )
    assert told[0] == 9, "it went on after the checkpoint of step 8"
    assert whole.keys() == again.keys()
    for key, tensor in whole.items():
        assert tensor.tobytes() == again[key].tobytes(), key
    assert history == history_again


def test_no_objective_and_no_sampler_is_left_out():
    inner = [
        getattr(objective, "objective", objective) for objective in (start(0) for start, *_ in RUNS.values())
    ]
    settings = [getattr(objective, "settings", None) for objective in inner]
    assert {type(one) for one in settings} >= set(get_args(get_args(AnyObjective)[0]))
    chains = get_args(CD.model_fields["chain"].annotation)
    assert {type(one.chain) for one in settings if isinstance(one, CD)} == set(chains)
