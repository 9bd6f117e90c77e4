"""Train on several processes, each of which runs this script, and write the results of each to a file.

Usage: python two_ranks.py FOLDER PROCESSES
"""

import sys
from pathlib import Path
from typing import Any

import torch

from ebmood.core.seeding import global_torch_stream
from ebmood.models import EnergyModel
from ebmood.models.flows.radial import RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, Likelihood, Objective
from ebmood.training import Training, make_fabric, rank_seed, train
from ebmood.training.data_parallel import any_rank, average_scalars
from ebmood.training.run import Run

torch.set_num_threads(1)
X = torch.randn(32, 3, generator=torch.Generator().manual_seed(0)).double()
TRAINING = Training(steps=4, batch_size=8, warmup=0)


def energy(seed: int) -> EnergyModel:
    with global_torch_stream(seed, "initialisation"):
        return EnergyModel(MLP(3, (8,), 1, "silu")).double()


def likelihood() -> Objective:
    with global_torch_stream(0, "initialisation"):
        flow = RadialFlow(3, 2)
    return Likelihood().build(flow.double(), 1, (3,), 0)


def gradients(run: Run) -> torch.Tensor:
    run.train_step(measure=True)
    values = [parameter.grad for parameter in run.objective.parameters() if parameter.grad is not None]
    return torch.cat([gradient.flatten() for gradient in values])


def main(folder: Path, processes: int) -> None:
    fabric = make_fabric("cpu", processes)
    rank = fabric.global_rank
    results: dict[str, Any] = {}
    results["likelihood"] = gradients(Run(likelihood(), X, None, TRAINING, 0, fabric, []))
    # The initial weights differ between processes; those of process 0 are used in all.
    results["ssm"] = gradients(Run(SSM().build(energy(rank), 1, (3,), 0), X, None, TRAINING, 0, fabric, []))
    chains = CD(buffer=20).build(energy(0), 1, (3,), rank_seed(0, fabric)).double()
    results["buffer before"] = chains.buffer.samples.clone()
    reports: list[int] = []
    train(chains, X, None, TRAINING, 0, fabric, report=lambda progress: reports.append(progress.step))
    results["buffer"] = chains.buffer.samples
    results["weights"] = torch.cat([parameter.detach().flatten() for parameter in chains.model.parameters()])
    results["reports"] = torch.tensor(reports)
    loss = torch.tensor(float("nan") if rank else 1.0)
    results["averaged loss"] = torch.stack(list(average_scalars({"loss": loss}, fabric).values()))
    results["any rank"] = torch.tensor([any_rank(rank == 1, fabric)])
    second_run = Run(chains, X, None, TRAINING, 0, fabric, [])
    if rank == 1:
        chains.buffer.samples[3] = float("nan")
    results["non-finite"] = second_run.find_non_finite()
    torch.save(results, folder / f"{processes}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
