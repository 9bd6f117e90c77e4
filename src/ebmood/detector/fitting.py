"""Fit the default score model: scaler, base, networks, z-scores and guard, in this order."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ebmood.core.seeding import global_torch_stream
from ebmood.detector.chunks import CHUNK_ROWS
from ebmood.detector.score_model import MAX_Z_SCORE, EnergySettings, ScoreModel
from ebmood.models.anchored import AnchoredEnergy
from ebmood.models.denoising import DenoisingEnergy

if TYPE_CHECKING:
    from ebmood.objectives.objective import Objective
    from ebmood.training.trainer import Progress, Training

NETWORK_MARGIN = 1.0
"""How far outside the training rows networks are evaluated, in standard deviations of a column."""

GUARD_RANGES = 1000.0
"""At this many training ranges outside, the guard alone must make the score lower than the median."""

StepCallback = Callable[[int, int], None]
"""Called with the number of finished training steps and the total number."""


def fit_score_model(
    x: np.ndarray,
    settings: EnergySettings,
    seed: int,
    device: str = "cpu",
    progress: StepCallback | None = None,
    y: np.ndarray | None = None,
    gamma: float = 1.0,
) -> ScoreModel:
    """Fit the default score model.

    Args:
        x: `(N, D)` finite training rows in raw units, N >= 2.
        settings: the settings of the energy.
        seed: the seed of all random numbers.
        device: the device of training and of the returned model.
        progress: called from time to time during training.
        y: `(N,)` class indices 0..K-1, for a supervised fit.
        gamma: weight of the cross-entropy in a supervised fit.

    Warns:
        RollbackWarning: the training of a network diverged and continued from an earlier state.

    Raises:
        DivergedError: training diverged again after every rollback.
    """
    classes = 0 if y is None else int(y.max()) + 1
    with global_torch_stream(seed, "weights"):
        model = ScoreModel(settings, x.shape[1], classes)
    raw = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))
    model.columns.fit(x)
    z = model.columns(raw)
    model.low.copy_(z.amin(0) - NETWORK_MARGIN)
    model.high.copy_(z.amax(0) + NETWORK_MARGIN)
    model.base.fit(z.numpy().astype(np.float64), y, settings.floor, settings.prior, seed)
    model.refresh_cache()
    _train_networks(model, z, y, gamma, seed, device, progress)
    model.to(device).eval().requires_grad_(False)
    _set_z_scores_and_guard(model, raw.to(device))
    if progress is not None:
        steps = max(1, settings.steps * (len(model.denoisers) + len(model.contrasts)))
        progress(steps, steps)
    return model


def _train_networks(
    model: ScoreModel,
    z: Tensor,
    y: np.ndarray | None,
    gamma: float,
    seed: int,
    device: str,
    progress: StepCallback | None,
) -> None:
    """Train each network of the model on scaled rows `z`, and append rollbacks to `model.events`."""
    from ebmood.training.trainer import make_fabric, train

    settings = model.settings
    # Small tables are repeated, so that a batch averages over enough noise.
    repeats = math.ceil(settings.batch_size / len(z))
    rows = z.repeat(repeats, 1)
    labels = None if y is None else torch.from_numpy(np.asarray(y, dtype=np.int64)).repeat(repeats)
    training = _training(settings, len(rows))
    objectives = _objectives(model, None if y is None else gamma)
    fabric = make_fabric(device)
    total = settings.steps * len(objectives)
    for number, (name, objective) in enumerate(objectives.items()):

        def report(state: "Progress", finished: int = number * settings.steps) -> None:
            if progress is not None:
                progress(finished + state.step, total)

        network_seed = seed + 1_000_003 * number
        with torch.enable_grad():  # the caller may have disabled gradients
            run = train(objective, rows, labels, training, network_seed, fabric, report=report, name=name)
        model.events += run.events


def _training(settings: EnergySettings, rows: int) -> "Training":
    from ebmood.training.trainer import Training

    batches_per_epoch = rows // settings.batch_size
    return Training(
        steps=settings.steps,
        batch_size=settings.batch_size,
        warmup=max(1, settings.steps // 20),
        halve_every=max(1, math.ceil(settings.steps / 6 / batches_per_epoch)),
    )


def _objectives(model: ScoreModel, gamma: float | None) -> dict[str, "Objective"]:
    """Return the objective of each network by the name of the network. `gamma` is None without labels."""
    from ebmood.objectives.dsm import MultilevelDenoising
    from ebmood.objectives.nce import NoiseContrastive
    from ebmood.objectives.objective import AdamW
    from ebmood.objectives.supervision import Supervised

    settings = model.settings
    optimiser = AdamW(lr=settings.lr, weight_decay=settings.weight_decay)
    objectives: dict[str, Objective] = {
        f"denoising network {number}": MultilevelDenoising(
            DenoisingEnergy(model.base, network, settings.sigmas), optimiser
        )
        for number, network in enumerate(model.denoisers, start=1)
    }
    for number, network in enumerate(model.contrasts, start=1):
        contrast = NoiseContrastive(AnchoredEnergy(model.base, network), settings.widen, optimiser)
        objective = contrast if gamma is None else Supervised(contrast, gamma)
        objectives[f"contrastive network {number}"] = objective
    return objectives


@torch.no_grad()
def _set_z_scores_and_guard(model: ScoreModel, x: Tensor) -> None:
    """Set the center and scale of the z-scores and the weight of the guard from training rows `(N, D)`."""
    energies = torch.cat([model.energies(model.columns(rows)) for rows in x.split(CHUNK_ROWS)], dim=1)
    median, high = np.quantile(energies.cpu().numpy(), [0.5, 0.95], axis=1)
    model.z_center.copy_(torch.from_numpy(median))
    model.z_scale.copy_(torch.from_numpy(np.maximum((high - median) / 1.645, 1e-2)))
    median_score = float(torch.cat([model(rows) for rows in x.split(CHUNK_ROWS)]).median())
    # At GUARD_RANGES the z-score may be -MAX_Z_SCORE. The guard must outweigh it.
    model.guard.copy_(torch.tensor(max(1.0, (MAX_Z_SCORE - median_score + 1) / (GUARD_RANGES - 2))))
