"""One seed, many independent streams: each use of randomness draws from a stream of its own name.

A stream depends on the seed and its name alone, so that one more draw in one place (a larger replay buffer,
say) changes nothing anywhere else.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def stream_seed(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` of `seed`."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, name: str) -> np.random.Generator:
    """A NumPy generator for the stream `name` of `seed`."""
    return np.random.default_rng(stream_seed(seed, name))


def torch_stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on `device` for the stream `name` of `seed`."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, name))


@contextmanager
def global_torch_stream(seed: int, name: str) -> Iterator[None]:
    """Draws from torch's global generator inside come from the stream `name`; its state is restored after.

    For libraries that take no generator: weight initialisation, zuko's flows.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, name))
        yield
