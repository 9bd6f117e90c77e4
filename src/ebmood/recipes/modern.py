"""The variant `modern`: energies for tables, trained as one would train them today.

All of them have

- a base: a mixture of Gaussians with one covariance, fitted to the training rows, plus a smooth network. Far from the
  data the log-density decreases with that of the base; a plain network has no such guarantee;
- whitened coordinates: one step size, perturbation and noise level fits all directions (`ebmood.models.whitened`);
- temperature one and no penalty, so that F is a log-density in nats up to a constant;
- the exponential moving average of the parameters, which is evaluated on held-out ID rows and stopped early.

The settings were chosen by the held-out loss of `benchmarks/modern_settings.py`, which reads no OOD row. The methods
differ in the objective alone.
"""

from ebmood.models import DenoisingMLP, ModelSettings, WhitenedMLP
from ebmood.objectives import (
    NCE,
    VERA,
    AdamW,
    ConditionalNCE,
    EnergyDiscrepancy,
    MultilevelDSM,
    ObjectiveSettings,
    ResidualCD,
)
from ebmood.recipes.recipe import Recipe
from ebmood.samplers import MALA
from ebmood.training import Training

MODEL = WhitenedMLP()
"""The model of all modern energies except denoising score matching."""

OPTIMISER = AdamW(lr=3e-3)

TRAINING = Training(steps=300, batch_size=128, warmup=20, average=50, validate_every=2, patience=10)
"""The training of all modern energies."""


def modern_cd(gamma: float | None) -> Recipe:
    """Return the recipe of contrastive divergence with persistent MALA chains at temperature one."""
    chain = MALA(steps=5, step_size=0.2)
    return _modern(
        "cd", "CD", ResidualCD(chain=chain, buffer=2_048, restart=0.05, optimiser=OPTIMISER), gamma
    )


def modern_residual(gamma: float | None) -> Recipe:
    """Return the recipe of contrastive divergence with chains that start from the base."""
    chain = MALA(steps=5, step_size=0.2)
    return _modern("residual-cd", "Residual CD", ResidualCD(chain=chain, optimiser=OPTIMISER), gamma)


def modern_vera(gamma: float | None) -> Recipe:
    """Return the recipe of VERA with entropy weight one, and a generator that starts at the covariance of the base."""
    objective = VERA(
        noise=48,  # as many as Sensorless has columns, so that samples have a density in all directions
        hidden=(100, 100),
        entropy_weight=1.0,
        gradient_penalty=0.0,
        start="base",
        sigma=1.0,
        sigma_bounds=(0.3, 1.5),
        posterior_width=0.5,
        energy=AdamW(lr=1e-3, betas=(0.0, 0.9)),
        generator=AdamW(lr=1e-3, betas=(0.0, 0.9)),
        posterior=AdamW(lr=1e-2, betas=(0.0, 0.9)),
    )
    return _modern("vera", "VERA", objective, gamma)


def modern_dsm() -> Recipe:
    """Return the recipe of denoising score matching at several noise levels.

    The outputs of its network are the levels, so that it has no classes.
    """
    return _modern("dsm", "DSM", MultilevelDSM(optimiser=OPTIMISER), None, DenoisingMLP())


def modern_nce(gamma: float | None) -> Recipe:
    """Return the recipe of noise-contrastive estimation."""
    return _modern("nce", "NCE", NCE(optimiser=OPTIMISER), gamma)


def modern_conditional_nce(gamma: float | None) -> Recipe:
    """Return the recipe of conditional noise-contrastive estimation."""
    return _modern("conditional-nce", "Conditional NCE", ConditionalNCE(optimiser=OPTIMISER), gamma)


def modern_energy_discrepancy(gamma: float | None) -> Recipe:
    """Return the recipe of energy discrepancy."""
    objective = EnergyDiscrepancy(optimiser=OPTIMISER)
    return _modern("energy-discrepancy", "Energy discrepancy", objective, gamma)


def _modern(
    method: str, title: str, objective: ObjectiveSettings, gamma: float | None, model: ModelSettings = MODEL
) -> Recipe:
    return Recipe(
        method=method,
        title=title,
        family="energy",
        variant="modern",
        gamma=gamma,
        model=model,
        objective=objective,
        training=TRAINING,
    )
