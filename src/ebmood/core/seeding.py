"""Independent random streams: each use of randomness has its own stream, identified by a seed and a name.

The numbers of a stream depend on its seed and name only. More draws from one stream (for example by a larger replay
buffer) therefore do not change the numbers of any other stream.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def stream_seed(seed: int, name: str) -> int:
    """Return the 63-bit seed of the stream `name` of `seed`.

    >>> stream_seed(0, "noise") == stream_seed(0, "noise")
    True
    >>> stream_seed(0, "noise") == stream_seed(0, "order")
    False
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, name: str) -> np.random.Generator:
    """Return a NumPy generator of the stream `name` of `seed`."""
    return np.random.default_rng(stream_seed(seed, name))


def torch_stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch generator on `device` of the stream `name` of `seed`."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, name))


@contextmanager
def global_torch_stream(seed: int, name: str) -> Iterator[None]:
    """Inside the context, the global CPU generator of torch draws from the stream `name`; then its state is restored.

    For code that does not take a generator, such as the initialisation of weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, name))
        yield
