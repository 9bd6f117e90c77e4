"""Draw the figures of the concept pages.

    python docs/figures/concepts.py [--steps 3000] [--folder docs/figures]

An energy model learns two moons by denoising score matching. `energy.png` shows its log-density, `score.png` the
gradient of the log-density, and `p-value.png` the calibration scores of a detector with two new rows.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import torch

from ebmood import METHODS, EnergyDetector, EnergyModel, Split, Toy, split_dataset

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the backend is chosen

LOW, HIGH = -0.5, 1.5
BLUE, ORANGE, GREY = "#2c6fbb", "#d95f02", "#8a8a8a"
SIZE = (4.6, 3.4)


def trained_energy(split: Split, steps: int) -> EnergyModel:
    """Return an energy model of two moons, trained by denoising score matching."""
    recipe = METHODS["dsm"]("corrected", None).overridden(training={"steps": steps, "warmup": steps // 10})
    model = recipe.fit(split, seed=0).scorer.model  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(model, EnergyModel)
    return model


def grid(points: int) -> np.ndarray:
    """Return the points of a square grid, `(points^2, 2)`."""
    axis = np.linspace(LOW, HIGH, points, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def draw_landscape(axes, model: EnergyModel) -> None:
    """Draw the log-density as filled contours, relative to its maximum."""
    points = 160
    value, _ = model.value_and_grad(torch.as_tensor(grid(points)))
    value = (value - value.max()).numpy().reshape(points, points)
    levels = np.linspace(-12, 0, 13)
    axis = np.linspace(LOW, HIGH, points)
    contours = axes.contourf(axis, axis, value.clip(-12), levels, cmap="Blues")
    axes.figure.colorbar(contours, ax=axes, label="F(x), relative to its maximum")
    axes.set(xlabel="feature 1", ylabel="feature 2", xlim=(LOW, HIGH), ylim=(LOW, HIGH))


def draw_energy(model: EnergyModel, rows: np.ndarray, file: Path) -> None:
    """Draw the log-density and some training rows."""
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    draw_landscape(axes, model)
    axes.scatter(*rows[:300].T, s=3, color=ORANGE, label="training rows")
    axes.legend(loc="upper right", fontsize=8)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def draw_score(model: EnergyModel, file: Path) -> None:
    """Draw the direction of the score on a coarse grid, over the log-density."""
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    draw_landscape(axes, model)
    x = grid(19)
    _, score = model.value_and_grad(torch.as_tensor(x))
    direction = score.numpy() / np.maximum(np.linalg.norm(score.numpy(), axis=1, keepdims=True), 1e-9)
    axes.quiver(*x.T, *direction.T, color=ORANGE, scale=26, width=0.004)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def draw_p_value(rows: np.ndarray, new: np.ndarray, file: Path) -> None:
    """Draw the calibration scores of a detector, and those of an ordinary and of a strange new row."""
    detector = EnergyDetector(calibration=200, random_state=0).fit(rows)
    calibration = detector.calibration_scores_
    ordinary = new[[int(np.argsort(detector.score_samples(new))[len(new) // 2])]]
    strange = ordinary + np.float32([0.0, 0.45])
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.hist(calibration, bins=30, color=BLUE, alpha=0.6, label=f"{len(calibration)} calibration rows")
    for row, name, colour in ((ordinary, "ordinary row", GREY), (strange, "strange row", ORANGE)):
        score, p = float(detector.score_samples(row)[0]), float(detector.p_values(row)[0])
        axes.axvline(score, color=colour, label=f"{name}: p = {p:.3f}")
    axes.set(xlabel="score", ylabel="rows")
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def main() -> None:
    """Train and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3_000, help="training steps of the energy (%(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=Path(__file__).parent, help="where figures are written"
    )
    arguments = parser.parse_args()
    split = split_dataset(Toy(shape="moons", rows=2_000).load(), seed=0)
    model = trained_energy(split, arguments.steps)
    draw_energy(model, split.train_x, arguments.folder / "energy.png")
    draw_score(model, arguments.folder / "score.png")
    draw_p_value(split.train_x[:1_000], split.test_x, arguments.folder / "p-value.png")


if __name__ == "__main__":
    main()
