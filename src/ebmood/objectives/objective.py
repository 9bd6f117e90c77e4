"""How a density model is trained: as a game of one or more players.

An objective lists its players. Each player owns parameters, has an optimiser of its own, and a loss to lower;
the training loop lets them move in turn. Score matching, contrastive divergence and likelihood have one
player, VERA has three. What belongs to an objective alone (replay buffer, generator) is a submodule of it, so
that one `state_dict` holds all there is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.models import DensityModel, EnergyModel, ModelSettings
from ebmood.settings import Settings


@dataclass(frozen=True)
class Batch:
    """Training rows: `x` `(N, *shape)`, and `y` `(N,)` int64 or None."""

    x: Tensor
    y: Tensor | None


class AdamW(Settings):
    """The optimiser of a player: rate at its peak, betas, and decoupled weight decay."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0


Loss = tuple[Tensor, dict[str, Tensor]]
"""A scalar to differentiate, and detached scalars to log."""


@dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes:
        name: `energy`, `generator`, ...
        parameters: what its optimiser moves; no two players share any.
        loss: of a batch and a source of noise on the batch's device.
        optimiser: its settings.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    loss: Callable[[Batch, torch.Generator], Loss]
    optimiser: AdamW


class Objective(nn.Module, ABC):
    """An objective at work on a model. Its first player is the one that trains the model itself."""

    model: DensityModel

    @abstractmethod
    def players(self) -> tuple[Player, ...]:
        """The players in the order in which they move."""

    def expect(self, steps: int, rows: int) -> None:
        """Told before a training of so many steps, on batches of so many rows: time to prepare the model."""

    def validation_loss(self, x: Tensor) -> Tensor:
        """A loss on held-out rows `(N, *shape)` that early stopping may watch, a scalar.

        Raises:
            NotImplementedError: the objective has none that means anything.
        """
        raise NotImplementedError(f"{type(self).__name__} has no validation loss")

    def negatives_to_show(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Up to `count` of what the model learns to tell from data, by the name of what makes it; empty for none."""
        return {}


class ObjectiveSettings(Settings):
    """Settings that start an objective on a model."""

    def start(self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int) -> Objective:
        """The objective at work on `model`.

        Args:
            model: what is trained; an `EnergyModel` for all but the likelihood.
            classes: number of logits of the model.
            shape: shape of one input.
            seed: of the cell; what the objective draws at its start comes from streams of its own name.
        """
        raise NotImplementedError

    def degenerate_on(self, model: ModelSettings) -> str | None:
        """Why a constant minimises this objective on such a model, or None where it does not."""
        return None

    def unbounded_on(self, x: np.ndarray) -> str | None:
        """Why the loss has no least value on training rows `(N, *shape)` like these, or None where it has."""
        return None


ATOM = 0.1
"""Share of rows from which on one value of a column counts as an atom of its distribution."""


def atoms_of(x: np.ndarray) -> str | None:
    """Says which columns of `(N, D)` hold an atom: no density exists there, and a loss may fall for ever."""
    columns = x.reshape(len(x), -1)
    shares = [np.unique(column, return_counts=True)[1].max() / len(x) for column in columns.T]
    if max(shares) < ATOM:
        return None
    return (
        f"{sum(share >= ATOM for share in shares)} of {len(shares)} columns repeat one value in a tenth of the rows or "
        f"more (column {int(np.argmax(shares))} above all): the data have no density there, so the loss falls without "
        "bound as the model's peaks sharpen"
    )


def energy_model(model: DensityModel, objective: str) -> EnergyModel:
    """`model`, checked to be an energy model. Raises `TypeError` with the objective's name otherwise."""
    if not isinstance(model, EnergyModel):
        raise TypeError(f"{objective} trains energy models, not {type(model).__name__}")
    return model
