"""Time of one training step of every method: the reference, the fast paths, and torchebm where it has the method.

    OMP_NUM_THREADS=1 python benchmarks/steps.py --rounds 9 --json steps.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py --only ssm
    python benchmarks/steps.py --device cuda
    pytest benchmarks/test_steps.py --benchmark-json steps.json

The reference is plain PyTorch with autograd (`Training(fast=False)`). A step is batch, loss, backward pass and
optimiser. All sides of a comparison are timed in turn, and so is a matrix product of the same number type, the
machine's peak; the medians are compared. Seconds are processor time of all threads, which other work on the machine
disturbs little; on CUDA they are wall time. No thread count is changed.

FLOPs are those that torch's counter finds in a step (products and convolutions), so the fraction of the peak says how
well a side uses the machine, not how much arithmetic it avoids.
"""

import argparse
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import timing
import torch
from timing import REFERENCE, Comparison, Step, Turns
from torch import Tensor

from ebmood.fast import accelerate
from ebmood.models import DensityModel, EnergyModel, RadialFlow
from ebmood.networks import MLP, Activation, WideResNet, supports_bf16
from ebmood.objectives import CD, SSM, VERA, Batch, Likelihood, Loss, Objective, ObjectiveSettings, Player
from ebmood.samplers import SGLD
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run

FEATURES, ROWS = 48, 512
IMAGES = {"1x32x32": (64, 1, 32, 32), "3x32x32": (32, 3, 32, 32)}
SIDES = {REFERENCE: None, "fast": False, "fast, compiled": True}
"""Whether C++ is compiled; None for the reference."""
INSTALLED = ExitStack()
"""Holds the fast paths until the process ends."""


def training_step(objective: Objective, x: Tensor, compile: bool | None) -> Step:
    """Return one step of the training loop."""
    training = Training(batch_size=len(x), warmup=0)
    run = Run(objective, x, None, training, 0, make_fabric(timing.DEVICE.type), ())
    enter(objective, len(x), compile)
    return lambda: run.train_step(measure=False)


def enter(objective: Objective, rows: int, compile: bool | None) -> None:
    """Install the fast paths for the rest of the process, unless `compile` is None."""
    if compile is not None:
        INSTALLED.enter_context(accelerate(objective, 1, rows, compile))


def training_steps(
    name: str, make_model: Callable[[], DensityModel], settings: ObjectiveSettings, x: Tensor
) -> Comparison:
    """Compare training steps; all sides start from the same weights."""
    sides: dict[str, Step] = {}
    for side, compile in SIDES.items():
        torch.manual_seed(0)
        model = make_model()
        sides[side] = training_step(settings.build(model, 1, tuple(x.shape[1:]), 0), x, compile)
    return Comparison(name, sides)


class Chains(Objective):
    """Chains alone, for timing: no player learns."""

    def __init__(self, model: EnergyModel, chain: SGLD):
        super().__init__()
        self.model = model
        self.chain = chain

    def players(self) -> tuple[Player, ...]:
        return ()

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        raise NotImplementedError


def chain_steps(name: str, make_model: Callable[[], EnergyModel], chain: SGLD, x: Tensor) -> Comparison:
    """Compare the steps of chains."""
    sides: dict[str, Step] = {}
    for side, compile in SIDES.items():
        torch.manual_seed(0)
        objective = Chains(make_model(), chain).to(timing.DEVICE).train()
        noise = torch.Generator(timing.DEVICE).manual_seed(0)
        enter(objective, len(x), compile)
        sides[side] = lambda objective=objective, noise=noise: chain.run(objective.model, x, None, noise)
    return Comparison(name, sides)


def mlp(activation="leaky_relu", slope: float = 0.01) -> EnergyModel:
    return EnergyModel(MLP(FEATURES, (100,) * 5, 1, activation, slope))


def comparisons(count: int | None = None) -> dict[str, Callable[[], Comparison]]:
    """Return a function for each comparison, by the name that `--only` searches; `count` images per batch if given."""
    x = torch.rand(ROWS, FEATURES).to(timing.DEVICE)
    rows: dict[str, Callable[[], Comparison]] = {
        "cd mlp": lambda: with_torchebm("cd", training_steps("CD, MLP, 100 SGLD steps", mlp, CD(), x), x),
        "sgld mlp": lambda: with_torchebm(
            "langevin", chain_steps("10 SGLD steps, MLP", mlp, SGLD(steps=10), x), x
        ),
        "ssm mlp smooth": lambda: with_torchebm(
            "ssm", training_steps("SSM, MLP, smooth", lambda: mlp("silu"), SSM(), x), x, "silu"
        ),
        "ssm mlp piecewise": lambda: training_steps("SSM, MLP, piecewise linear", mlp, SSM(), x),
        "vera mlp": lambda: training_steps("VERA, MLP", lambda: mlp(slope=0.2), VERA(), x),
        "radial": lambda: training_steps(
            "radial flow, 20 layers", lambda: RadialFlow(FEATURES, 20), Likelihood(), x
        ),
    }
    for name, shape in IMAGES.items():
        images = (torch.rand(count or shape[0], *shape[1:]) * 2 - 1).to(timing.DEVICE)
        rows |= image_comparisons(name, images)
    return rows


def image_comparisons(name: str, x: Tensor) -> dict[str, Callable[[], Comparison]]:
    def model(activation: Activation = "leaky_relu") -> EnergyModel:
        return EnergyModel(WideResNet(x.shape[1], 1, activation_name=activation))

    generator = VERA(noise=128, resnet_channels=128)
    return {
        f"sgld image {name}": lambda: chain_steps(f"SGLD step, WideResNet {name}", model, SGLD(steps=1), x),
        f"ssm image {name} smooth": lambda: training_steps(
            f"SSM, WideResNet {name}, smooth", lambda: model("silu"), SSM(), x
        ),
        f"ssm image {name} piecewise": lambda: training_steps(
            f"SSM, WideResNet {name}, piecewise linear", model, SSM(), x
        ),
        f"vera image {name}": lambda: training_steps(f"VERA, WideResNet {name}", model, generator, x),
        f"sgld bf16 image {name}": lambda: with_bf16(
            chain_steps(f"SGLD step in bf16, WideResNet {name}", model, SGLD(steps=1, precision="bf16"), x)
        ),
        f"vera bf16 image {name}": lambda: with_bf16(
            training_steps(f"VERA in bf16, WideResNet {name}", model, generator.updated(precision="bf16"), x)
        ),
    }


def with_bf16(comparison: Comparison) -> Comparison:
    """Mark all sides as bfloat16."""
    return Comparison(comparison.name, comparison.sides, set(comparison.sides))


def with_torchebm(method: str, comparison: Comparison, x: Tensor, activation="leaky_relu") -> Comparison:
    """Add torchebm's step, if the package is installed."""
    try:
        import torchebm_steps
    except ImportError:
        return comparison
    network = mlp(activation).network.to(timing.DEVICE)
    return Comparison(
        comparison.name, comparison.sides | {"torchebm": getattr(torchebm_steps, method)(network, x)}
    )


def runnable(comparison: Comparison) -> Comparison | None:
    """Return the sides that the device supports, or None: bfloat16 needs hardware, compiled code needs a CPU."""
    if comparison.bf16 and not supports_bf16(timing.DEVICE.type):
        return None
    sides = {
        side: step
        for side, step in comparison.sides.items()
        if not (timing.DEVICE.type == "cuda" and side.endswith("compiled"))
    }
    return Comparison(comparison.name, sides, comparison.bf16 & set(sides))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="comparisons whose name contains this text")
    parser.add_argument("--images", type=int, help="images per batch, instead of the protocol's")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    timing.DEVICE = torch.device(arguments.device)
    everything = comparisons(arguments.images)
    chosen = {name: make for name, make in everything.items() if arguments.only in name}
    if not chosen:
        parser.error(f"no comparison contains {arguments.only!r}; their names are: {', '.join(everything)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {arguments.rounds} rounds")
    print(f"{'step':42} {'side':20} {'ms':>9} {'faster':>7} {'GFLOP':>8} {'of peak':>8}")
    results = {}
    for make in chosen.values():
        comparison = runnable(make())
        if comparison is None:
            continue
        turns = Turns(comparison)
        for _ in range(arguments.rounds):
            turns.turn()
        results[comparison.name] = turns.medians()
        for side, r in results[comparison.name].items():
            print(
                f"{comparison.name:42} {side:20} {r['ms']:9.2f} {r['faster']:6.2f}x {r['gigaflops']:8.2f} "
                f"{r['fraction_of_peak']:7.0%}",
                flush=True,
            )
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
