"""Does a learnt energy add to the memory energy? Train networks on top of it on many tables.

    python benchmarks/learned_energies.py FOLDER [--cache FILE] [--methods dsm nce cd] [--part 0/2]

FOLDER holds one-class tables (`.npz` files with `train`, `test` and `y`). For each table, the default energy is fitted
on four fifths of the training rows. A network f is trained in its `robust` view, so that the total energy is the memory
energy plus f, by one of these methods:

- dsm: denoising score matching with noise of 0.15 and of 0.5. The noise of a column grows with its kurtosis.
- nce: noise contrast against training rows whose columns are mixed between rows; an ensemble of three networks.
- cd: contrastive divergence with chains that start at samples of the memory energy. f is penalised by its square with
  a coefficient of 10 (HEAT, Lafon et al. 2023).

The total energy becomes one more z-score, whose median and 95th percentile are those of the other training rows. The
result is the change in AUROC and AUC-PR when it may be one of the two z-scores that decide.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from table_suites import one_class_tables
from torch import Tensor, nn

from ebmood.detector.energy.fitting import fit_score_model
from ebmood.detector.energy.score_model import EnergySettings
from ebmood.models.memory import MemoryEnergy, squared_distances

STEPS = 100
BATCH = 128
Energy = Callable[[Tensor], Tensor]


def network(columns: int) -> nn.Module:
    layers = nn.Sequential(
        nn.Linear(columns, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1), nn.Flatten(0)
    ).double()
    nn.init.zeros_(layers[4].weight)
    return layers


def optimise(f: nn.Module, loss: Callable[[], Tensor]) -> None:
    optimiser = torch.optim.AdamW(f.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        schedule.step()


def dsm(rows: Tensor, base: Energy, sigma: float) -> Energy:
    kurtosis = ((rows - rows.mean(0)) / rows.std(0).clamp(min=1e-6)).pow(4).mean(0)
    noise = sigma * (kurtosis / 3).clamp(1, 16).pow(0.25)
    f = network(rows.shape[1])

    def loss() -> Tensor:
        x = rows[torch.randint(len(rows), (BATCH,))]
        epsilon = torch.randn_like(x)
        noisy = (x + noise * epsilon).requires_grad_()
        (gradient,) = torch.autograd.grad((base(noisy) + f(noisy)).sum(), noisy, create_graph=True)
        return (noise * gradient - epsilon).square().sum(1).mean()

    optimise(f, loss)
    return f


def nce(rows: Tensor, base: Energy) -> Energy:
    networks = [network(rows.shape[1]) for _ in range(3)]
    for f in networks:

        def loss(f: nn.Module = f) -> Tensor:
            x = rows[torch.randint(len(rows), (BATCH,))]
            mixed = torch.stack([column[torch.randint(len(rows), (BATCH,))] for column in rows.mT], dim=1)
            keep = torch.rand(mixed.shape) < torch.rand(BATCH, 1)
            noise = torch.where(keep, rows[torch.randint(len(rows), (BATCH,))], mixed)
            return nn.functional.softplus(f(x)).mean() + nn.functional.softplus(-f(noise)).mean()

        optimise(f, loss)
    return lambda x: torch.stack([f(x) for f in networks]).mean(0)


def cd(rows: Tensor, base: Energy, bandwidths: Tensor) -> Energy:
    f = network(rows.shape[1])

    def loss() -> Tensor:
        x = rows[torch.randint(len(rows), (BATCH,))]
        picked = torch.randint(len(rows), (BATCH,))
        chain = rows[picked] + bandwidths[picked, None] * torch.randn(BATCH, rows.shape[1], dtype=rows.dtype)
        step = 0.1 * float(bandwidths.median())
        for _ in range(8):
            chain = chain.detach().requires_grad_()
            (gradient,) = torch.autograd.grad((base(chain) + f(chain)).sum(), chain)
            change = (step**2 / 2 * gradient).clamp(-step, step)
            chain = chain - change + step * torch.randn_like(chain)
        positive, negative = f(x), f(chain.detach())
        return positive.mean() - negative.mean() + 10 * (positive.square() + negative.square()).mean()

    optimise(f, loss)
    return f


def evaluate(
    train: np.ndarray, test: np.ndarray, y: np.ndarray, methods: list[str]
) -> dict[str, list[float]]:
    """Return AUROC and AUC-PR without a network and with each method."""
    torch.manual_seed(0)
    order = np.random.default_rng(0).permutation(len(train))
    held_out, kept = train[order[: len(train) // 5]], train[order[len(train) // 5 :]]
    model = fit_score_model(kept, EnergySettings(), seed=0).model
    part = model.view_energies()["robust"]
    memory = part.memories[0]
    assert isinstance(memory, MemoryEnergy)

    def view(x: np.ndarray) -> Tensor:
        return part.view(model.columns.numbers(torch.from_numpy(x)))

    rows = view(model.memory.numpy())

    def base(x: Tensor) -> Tensor:
        return memory(squared_distances(x, rows))

    runs: dict[str, Callable[[], list[Energy]]] = {
        "dsm": lambda: [dsm(rows, base, 0.15), dsm(rows, base, 0.5)],
        "nce": lambda: [nce(rows, base)],
        "cd": lambda: [cd(rows, base, (0.5 / memory.precisions).sqrt())],
    }
    with torch.no_grad():
        z = torch.cat([model.z_scores(chunk)[0] for chunk in torch.from_numpy(test).split(512)], dim=1)
    results = {"none": metrics(z, y)}
    for method in methods:
        energies = runs[method]()
        with torch.no_grad():
            extra = []
            for f in energies:
                inside, outside = (base(view(x)) + f(view(x)) for x in (held_out, test))
                median, high = inside.quantile(torch.tensor([0.5, 0.95], dtype=torch.float64))
                extra.append((outside - median) / (high - median).clamp(min=1e-2))
        results[method] = metrics(torch.cat([z, torch.stack(extra)]), y)
    return results


def metrics(z: Tensor, y: np.ndarray) -> list[float]:
    scores = z.topk(2, dim=0).values.mean(0).numpy()
    return [100 * float(roc_auc_score(y, scores)), 100 * float(average_precision_score(y, scores))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--methods", nargs="*", choices=["dsm", "nce", "cd"], default=["dsm", "nce", "cd"])
    parser.add_argument("--part", default="0/1", help="run only every n-th table, such as 0/2 (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("learned-cells.jsonl"), help="(%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = {}
    if arguments.cache.exists():
        done = {e["table"]: e["results"] for e in map(json.loads, arguments.cache.read_text().splitlines())}
    part, parts = map(int, arguments.part.split("/"))
    for task in list(one_class_tables(arguments.folder))[part::parts]:
        if task.table not in done:
            done[task.table] = evaluate(*task.load(), arguments.methods)
            with arguments.cache.open("a") as file:
                file.write(json.dumps({"table": task.table, "results": done[task.table]}) + "\n")
            print(task.table, done[task.table], flush=True)
    print(f"\n{len(done)} tables\n\n| method | change in AUROC | change in AUC-PR |\n| :-- | --: | --: |")
    for method in arguments.methods:
        change = np.array([np.subtract(result[method], result["none"]) for result in done.values()])
        half = stats.t.ppf(0.975, len(change) - 1) * change.std(axis=0, ddof=1) / np.sqrt(len(change))
        cells = [f"{mean:+.2f} ± {width:.2f}" for mean, width in zip(change.mean(axis=0), half, strict=True)]
        print(f"| {method} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
