"""Which settings have the lowest held-out loss? Compare candidates for the modern recipes; no OOD row is read.

    python benchmarks/modern_settings.py SENSORLESS_FILE [--seeds 100] [--methods cd nce ...] [--json FILE]

Every candidate is trained on the training rows of Segment and of Sensorless, with seeds that the study does not use.
Its held-out loss is the contrast of the validation rows, with noise of 0.5 in whitened coordinates, with samples of the
base (`ebmood.objectives.held_out`). It has the same scale for all candidates: lower is better, and `base` is the base
without a network. Seconds are processor time.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from ebmood.core.seeding import global_torch_stream
from ebmood.data import Segment, Sensorless, Split
from ebmood.models import AnchoredEnergy, TiedMixture, WhitenedModel
from ebmood.objectives.held_out import held_out_contrast
from ebmood.recipes import DensityScorer, Recipe, modern

NOISE = 0.5

CANDIDATES: dict[str, list[dict]] = {
    "nce": [{}, {"objective": {"optimiser": {"lr": 1e-3}}}],
    "conditional_nce": [
        {},
        {"objective": {"optimiser": {"lr": 1e-3}}},
        {"objective": {"sigmas": (1.0,)}},
        {"objective": {"sigmas": (0.5, 1.0, 2.0, 4.0)}},
    ],
    "dsm": [{}, {"objective": {"optimiser": {"lr": 1e-3}}}],
    "energy_discrepancy": [{}, {"objective": {"t": 1.0}}, {"objective": {"t": 4.0}}],
    "cd": [{}, {"objective": {"optimiser": {"lr": 1e-3}}}],
    "residual": [{}, {"objective": {"optimiser": {"lr": 1e-3}}}],
    "vera": [
        {},
        {"objective": {"start": None, "noise": 16, "sigma": 0.5, "posterior_width": 0.1}},
        {"objective": {"energy": {"lr": 3e-3}, "generator": {"lr": 3e-3}}},
    ],
}
"""Changes of the recipe by method; the first candidate is the recipe as it is."""


def recipe_of(method: str) -> Recipe:
    return modern.modern_dsm() if method == "dsm" else getattr(modern, f"modern_{method}")(None)


def loss_of(model: object, base: TiedMixture, split: Split) -> float:
    """Return the held-out loss of a model in the coordinates of all models of this split."""
    assert isinstance(model, WhitenedModel)
    z = model.coordinates(torch.as_tensor(split.validation_x)).repeat(4, 1)
    z = z + NOISE * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    return float(held_out_contrast(model.inner, base, z))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sensorless", help="a file of Sensorless")
    parser.add_argument("--seeds", nargs="*", type=int, default=[100])
    parser.add_argument("--methods", nargs="*", choices=list(CANDIDATES), default=list(CANDIDATES))
    parser.add_argument("--json", type=Path, help="also append the losses to a file, one JSON object a line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sources = {"segment": Segment(), "sensorless": Sensorless(source=arguments.sensorless)}
    datasets = {name: source.load() for name, source in sources.items()}
    print("| method | change | data | seed | held-out loss | steps | seconds |")
    print("| :-- | :-- | :-- | --: | --: | --: | --: |")
    for seed in arguments.seeds:
        splits = {name: source.split(datasets[name], seed) for name, source in sources.items()}
        bases: dict[str, TiedMixture] = {}
        for name, split in splits.items():
            with global_torch_stream(seed, "initialisation"):
                model = modern.MODEL.build(split, 1)
            assert isinstance(model.inner, AnchoredEnergy)
            bases[name] = model.inner.base
            print(f"| base | | {name} | {seed} | {loss_of(model, bases[name], split):.4f} | | |", flush=True)
        for method in arguments.methods:
            for change in CANDIDATES[method]:
                for name, split in splits.items():
                    start = time.process_time()
                    fitted = recipe_of(method).overridden(**change).fit(split, seed)
                    seconds = time.process_time() - start
                    assert isinstance(fitted.scorer, DensityScorer)
                    loss = loss_of(fitted.scorer.model, bases[name], split)
                    steps = int(fitted.history["step"][-1])
                    text = json.dumps(change.get("objective", change))
                    print(
                        f"| {method} | {text} | {name} | {seed} | {loss:.4f} | {steps} | {seconds:.1f} |",
                        flush=True,
                    )
                    if arguments.json:
                        entry = {"method": method, "change": change, "data": name, "seed": seed, "loss": loss}
                        with arguments.json.open("a") as file:
                            file.write(json.dumps(entry | {"steps": steps, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
