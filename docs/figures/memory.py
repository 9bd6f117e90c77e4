"""Draw the figure of the memory energy.

    python docs/figures/memory.py [--folder docs/figures]

The training rows form a dense cluster and a sparse one. `memory.png` shows the memory energy of these rows, in which
every row has a bandwidth of its own, beside a kernel density with one bandwidth for all rows.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

from ebmood.models import MemoryEnergy, MemorySettings
from ebmood.models.memory import leave_one_out, squared_distances

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the backend is chosen
from matplotlib.collections import EllipseCollection

LOW, HIGH = -3.0, 4.0
ORANGE, GREY = "#d95f02", "#8a8a8a"
POINTS = 220


def two_clusters() -> Tensor:
    """Return rows of a dense and of a sparse cluster, `(N, 2)`."""
    rng = np.random.default_rng(3)
    dense = rng.normal([2.4, 2.4], 0.22, size=(60, 2))
    sparse = rng.normal([-0.4, -0.3], 1.0, size=(60, 2))
    return torch.from_numpy(np.concatenate([dense, sparse]))


def with_one_bandwidth(rows: int, bandwidth: float) -> MemoryEnergy:
    """Return a memory energy in which all rows have the same bandwidth: a kernel density."""
    energy = MemoryEnergy(rows)
    energy.precisions.fill_(0.5 / bandwidth**2)
    return energy


def draw_energy(axes, energy: MemoryEnergy, rows: Tensor, title: str) -> None:
    """Draw an energy as filled contours, relative to its minimum, with the rows and circles of radius h_i."""
    axis = np.linspace(LOW, HIGH, POINTS)
    grid = torch.from_numpy(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))
    values = energy(squared_distances(grid, rows)).numpy().reshape(POINTS, POINTS)
    values -= values.min()
    contours = axes.contourf(axis, axis, values.clip(max=12), np.linspace(0, 12, 13), cmap="Blues_r")
    bandwidths = (0.5 / energy.precisions).sqrt().numpy()
    sizes = np.broadcast_to(2 * bandwidths, (len(rows),))
    circles = EllipseCollection(
        sizes, sizes, 0, units="xy", offsets=rows.numpy(), offset_transform=axes.transData
    )
    circles.set(facecolor="none", edgecolor=GREY, linewidth=0.5)
    axes.add_collection(circles)
    axes.scatter(*rows.numpy().T, s=3, color=ORANGE)
    axes.set(title=title, xlabel="feature 1", xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal")
    axes.title.set_fontsize(10)
    axes.figure.colorbar(contours, ax=axes, label="E(x), relative to its minimum", shrink=0.8)


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).parent, help="where the figure is written"
    )
    arguments = parser.parse_args()
    rows = two_clusters()
    memory = MemoryEnergy(len(rows)).fit(leave_one_out(squared_distances(rows, rows)), MemorySettings())
    bandwidth = float((0.5 / memory.precisions).sqrt().median())
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    draw_energy(left, memory, rows, "memory energy: a bandwidth for each row")
    draw_energy(right, with_one_bandwidth(len(rows), bandwidth), rows, "kernel density: one bandwidth")
    left.set_ylabel("feature 2")
    figure.savefig(arguments.folder / "memory.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
