"""Trains a small radial flow with `compiled=True`; says which layers it had, and the losses to the last bit.

python compiled_run.py CACHE ...: once with each cache folder, and all else as the environment has it.
"""

import os
import sys

import torch

from ebmood.core.seeding import global_torch_stream
from ebmood.fast.native import library
from ebmood.models import RadialFlow
from ebmood.objectives import Likelihood
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run


def trained(compiled: bool | None) -> tuple[str, list[str]]:
    with global_torch_stream(0, "initialisation"):
        flow = RadialFlow(5, 4, compiled)
    x = torch.rand(32, 5, generator=torch.Generator().manual_seed(1))
    objective = Likelihood().build(flow, 1, (5,), 0)
    run = Run(objective, x, None, Training(steps=20, batch_size=32, warmup=0), 0, make_fabric("cpu"), ())
    losses = [float(run.train_step(measure=False)[0]["density/loss"]).hex() for _ in range(20)]
    return "eager" if flow._compiled_layers is None else "compiled", losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    for os.environ["EBMOOD_CACHE"] in sys.argv[1:]:
        library.cache_clear()
        layers, losses = trained(compiled=True)
        print(layers, *losses)
