"""Time to equal quality of contrastive divergence: ours against the plain one, on a density that is known.

    OMP_NUM_THREADS=1 python benchmarks/equal_quality.py --seeds 3 --json equal_quality.json

Data come from a mixture of four normal distributions in 16 dimensions. Quality is the variance over held-out rows of
`log p_model - log p_true`: zero where the model is right up to its constant. No OOD data are read.

Plain is benchmarks/plain.py: 100 Langevin steps with matched noise (b^2 = 2 a), persistent, AdamW at the protocol's
rate, for a number of steps fixed beforehand. What it holds at the end, the median of its last five looks, is the goal;
its time is that of its first look at or below the goal. Ours is the same network with settings of the library, `OURS`
below; its time is that of the first look from which on the quality is at or below the goal for as many steps again.
Seconds are of the processor, all threads together, and looks are not counted.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import plain
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, AdamW
from ebmood.samplers import MALA
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run

FEATURES, BATCH, LOOK = 16, 512, 10

STEP_SIZE = 0.005
"""Plain's a, the better of 0.005 and 0.02 in a trial: with 0.02 its chains are too far off to get below 4."""

OURS = CD(
    chain=MALA(steps=5, step_size=0.02),
    buffer=2_048,
    restart=0.0,
    penalty=0.0,
    optimiser=AdamW(lr=2e-3, betas=(0.5, 0.999)),
)
TRAINING = Training(batch_size=BATCH, warmup=0, average=100)


@dataclass
class Looks:
    """Steps, seconds and quality at each look."""

    steps: list[int]
    seconds: list[float]
    quality: list[float]


def truth() -> MixtureSameFamily:
    """Four normals of unequal weight, each with standard deviations from 0.15 to 0.4 along axes of its own."""
    g = torch.Generator().manual_seed(0)
    means = 0.35 * torch.randn(4, FEATURES, generator=g)
    axes = torch.linalg.qr(torch.randn(4, FEATURES, FEATURES, generator=g))[0]
    covariance = (axes * torch.linspace(0.15, 0.4, FEATURES) ** 2) @ axes.mT
    parts = MultivariateNormal(means, scale_tril=torch.linalg.cholesky(covariance))
    return MixtureSameFamily(Categorical(torch.tensor([0.4, 0.3, 0.2, 0.1])), parts)


def network(seed: int) -> EnergyModel:
    torch.manual_seed(seed)
    return EnergyModel(MLP(FEATURES, (100,) * 5, 1))


def plain_steps(x: Tensor, seed: int) -> tuple[Callable[[], object], Callable[[Tensor], Tensor]]:
    """A step of plain contrastive divergence, and its model's log-density."""
    layers = network(seed).network.layers
    g, buffer = torch.Generator().manual_seed(seed), torch.rand(9_000, FEATURES) * 2 - 1
    optimiser = torch.optim.AdamW(layers.parameters(), lr=1e-3, weight_decay=0.0)

    def step() -> None:
        batch = x[torch.randint(len(x), (BATCH,), generator=g)]
        loss = plain.cd_loss(layers, batch, buffer, g, 100, STEP_SIZE, (2 * STEP_SIZE) ** 0.5, 0.05, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, lambda rows: plain.log_density(layers, rows)


def our_steps(x: Tensor, seed: int) -> tuple[Callable[[], object], Callable[[Tensor], Tensor]]:
    """A step of the library's training, and the log-density of the model that it would end with."""
    model = network(seed)
    objective = OURS.build(model, 1, (FEATURES,), seed)
    run = Run(objective, x, None, TRAINING, seed, make_fabric("cpu"), ())
    names = [name for name, _ in model.network.named_parameters()]

    def log_density(rows: Tensor) -> Tensor:
        state = dict(zip(names, run.means, strict=True))
        return torch.func.functional_call(model.network, state, (rows,))[:, 0]

    return lambda: run.train_step(measure=False), log_density


def train(step: Callable[[], object], quality: Callable[[], float]) -> Iterator[tuple[int, float, float]]:
    """Steps, seconds and quality, every ten steps."""
    seconds, done = 0.0, 0
    while True:
        start = time.process_time()
        for _ in range(LOOK):
            step()
        seconds += time.process_time() - start
        done += LOOK
        yield done, seconds, quality()


def compare(seed: int, budget: int) -> dict[str, object]:
    """Both sides with one seed."""
    p = truth()
    torch.manual_seed(1)
    x, held_out = p.sample((20_000,)), p.sample((4_000,))
    true = p.log_prob(held_out)

    def quality_of(log_density: Callable[[Tensor], Tensor]) -> Callable[[], float]:
        def quality() -> float:
            with torch.no_grad():
                return float((log_density(held_out) - true).var())

        return quality

    sides = {}
    goal, held_since = -1.0, None
    for side, make in (("plain", plain_steps), ("ours", our_steps)):
        step, log_density = make(x, seed)
        looks = Looks([], [], [])
        for done, seconds, quality in train(step, quality_of(log_density)):
            looks.steps.append(done)
            looks.seconds.append(round(seconds, 3))
            looks.quality.append(round(quality, 4))
            if side == "ours":
                held_since = None if quality > goal else held_since or len(looks.steps) - 1
                if held_since is not None and done >= 2 * looks.steps[held_since]:
                    break
            if done >= (budget if side == "plain" else 20 * budget):
                break
        sides[side] = looks
        if side == "plain":
            goal = statistics.median(looks.quality[-5:])
    theirs, ours = sides["plain"], sides["ours"]
    crossing = next(i for i, quality in enumerate(theirs.quality) if quality <= goal)
    seconds = None if held_since is None else ours.seconds[held_since]
    return {
        "seed": seed,
        "goal": goal,
        "plain": {"steps": theirs.steps[crossing], "seconds": theirs.seconds[crossing]},
        "ours": {"steps": None if held_since is None else ours.steps[held_since], "seconds": seconds},
        "faster": None if seconds is None else round(theirs.seconds[crossing] / seconds, 2),
        "looks": {side: asdict(looks) for side, looks in sides.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=400, help="steps of the plain side")
    parser.add_argument("--json", type=Path, help="where the numbers go as well, with every look")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), budget {arguments.budget} steps")
    results = []
    for seed in range(arguments.seeds):
        results.append(compare(seed, arguments.budget))
        print({name: value for name, value in results[-1].items() if name != "looks"}, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    found = [result["faster"] for result in results]
    print("faster:", found, "median:", None if None in found else statistics.median(found))


if __name__ == "__main__":
    main()
