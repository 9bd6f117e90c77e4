"""Training: the one loop, its batches, and what may look at it."""

from ebmood.training.batches import Batches
from ebmood.training.best_state import BestState
from ebmood.training.trainer import DivergedError, Hook, Progress, Training, make_fabric, rate_factor, train

__all__ = [
    "Batches",
    "BestState",
    "DivergedError",
    "Hook",
    "Progress",
    "Training",
    "make_fabric",
    "rate_factor",
    "train",
]
