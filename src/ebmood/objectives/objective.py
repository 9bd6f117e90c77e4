"""How a density model is trained: as a game of one or more players.

An objective lists its players. Each player owns parameters and has an optimiser and a loss to minimise; in every step
of the training loop all players are updated in turn. Score matching, contrastive divergence and maximum likelihood
have one player, VERA has three. What belongs to an objective alone (a replay buffer, a generator) is a submodule of
it, so that one `state_dict` holds everything.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.core.settings import NonNegative, Positive, Settings
from ebmood.models import DensityModel, EnergyModel, ModelSettings


@dataclass(frozen=True)
class Batch:
    """A batch of training rows, with their classes if they are known.

    Attributes:
        x: rows `(N, *shape)`.
        y: classes `(N,)`, int64, or None.
    """

    x: Tensor
    y: Tensor | None


DecayRate = Annotated[float, Field(ge=0, lt=1)]


class AdamW(Settings):
    """Settings of a player's optimiser (Loshchilov & Hutter 2019).

    Attributes:
        lr: learning rate at its peak.
        betas: decay rates of the moment estimates.
        weight_decay: decoupled weight decay.
    """

    lr: Positive = 1e-3
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0


Loss = tuple[Tensor, dict[str, Tensor]]
"""A scalar to differentiate, and detached scalars to log."""


@dataclass(frozen=True)
class Player:
    """One player of the game.

    Attributes:
        name: `energy`, `generator`, ...
        parameters: the parameters that its optimiser updates; no parameter belongs to two players.
        loss: function of a batch and of a random generator on the batch's device.
        optimiser: settings of the optimiser.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    loss: Callable[[Batch, torch.Generator], Loss]
    optimiser: AdamW


class Objective(nn.Module, ABC):
    """An objective that trains a model. Its first player trains the model itself.

    Only `players` must be implemented. Optional hooks: `validation_loss` (for early stopping) and `sample_negatives`
    (for figures).
    """

    model: DensityModel

    @abstractmethod
    def players(self) -> tuple[Player, ...]:
        """Return the players in the order in which they are updated."""

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return a loss of held-out rows `(N, *shape)` for early stopping, a scalar.

        Raises:
            NotImplementedError: the objective has no loss that can be compared between steps.
        """
        raise NotImplementedError(f"{type(self).__name__} has no validation loss")

    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return up to `count` samples `(N, *shape)` that the model learns to distinguish from data, by their source.

        The dictionary is empty for objectives without negatives.
        """
        return {}


class SinglePlayerObjective(Objective):
    """An objective whose only player trains all parameters of the model. Only `loss` must be implemented.

    Args:
        model: the model to train.
        settings: settings of the objective.

    Attributes:
        player_name: name of the player in logs.
    """

    player_name: ClassVar[str] = "energy"

    def __init__(self, model: DensityModel, settings: "SinglePlayerSettings"):
        super().__init__()
        self.model = model
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """Return the only player."""
        parameters = tuple(self.model.parameters())
        return (Player(self.player_name, parameters, self.loss, self.settings.optimiser),)

    @abstractmethod
    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return the loss of a batch, and detached scalars to log."""


class ObjectiveSettings(Settings):
    """Settings of an objective.

    Only `build` must be implemented. Optional hooks: `degenerate_on` and `unbounded_on`, which warn before training.
    """

    def build(self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int) -> Objective:
        """Return the objective that trains `model`.

        Args:
            model: the model to train; an `EnergyModel` for all objectives except maximum likelihood.
            classes: number of logits of the model.
            shape: shape of one input.
            seed: seed of the cell; initial random numbers of the objective come from named streams of it.
        """
        raise NotImplementedError

    def degenerate_on(self, model: ModelSettings) -> str | None:
        """Return why a constant log-density minimises this objective on such a model, or None."""
        return None

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """Return why the loss has no minimum on training rows `(N, *shape)` like these, or None."""
        return None


class SinglePlayerSettings(ObjectiveSettings):
    """Settings of an objective with one player.

    Attributes:
        optimiser: settings of the player's optimiser.
    """

    optimiser: AdamW = AdamW()


ATOM = 0.1
"""Fraction of rows from which on one value of a column counts as an atom of its distribution."""


def describe_atoms(x: np.ndarray) -> str | None:
    """Return one line about the columns of `(N, D)` that have an atom, where no density exists, or None without any.

    >>> x = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
    >>> print(describe_atoms(x).split(":")[0])
    1 of 2 columns repeat one value in a tenth of the rows or more (most often column 1)
    >>> describe_atoms(np.arange(20.0)[:, None]) is None
    True
    """
    columns = x.reshape(len(x), -1)
    fractions = [np.unique(column, return_counts=True)[1].max() / len(x) for column in columns.T]
    if max(fractions) < ATOM:
        return None
    return (
        f"{sum(fraction >= ATOM for fraction in fractions)} of {len(fractions)} columns repeat one value in a tenth of "
        f"the rows or more (most often column {int(np.argmax(fractions))}): the data have no density there, so the "
        "loss decreases without bound as the model's peaks sharpen"
    )


def require_energy_model(model: DensityModel, objective: str) -> EnergyModel:
    """Return `model` if it is an energy model. Raise a `TypeError` that names the objective otherwise."""
    if not isinstance(model, EnergyModel):
        raise TypeError(f"{objective} trains energy models, not {type(model).__name__}")
    return model
