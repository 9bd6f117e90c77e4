"""Networks: tensors in, logits out. They know nothing of energies, training or data."""

from ebmood.networks.activation import PIECEWISE_LINEAR, Activation
from ebmood.networks.generator import NoisyGenerator
from ebmood.networks.mlp import MLP

__all__ = ["MLP", "PIECEWISE_LINEAR", "Activation", "NoisyGenerator"]
