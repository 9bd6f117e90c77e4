"""Samplers: they take a log-density and starting points and return samples."""

from ebmood.samplers.mala import MALA
from ebmood.samplers.replay_buffer import ReplayBuffer
from ebmood.samplers.sgld import SGLD

__all__ = ["MALA", "SGLD", "ReplayBuffer"]
