"""The digest of the weights of a network."""

from hashlib import sha256

import torch
from torch import nn


def module_sha256(module: nn.Module) -> str:
    """Return SHA-256 of all parameters and buffers of a module: of names, types, shapes and values."""
    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
