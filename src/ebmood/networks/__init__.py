"""Networks: tensors in, logits out. They know nothing of energies, training or data."""

from ebmood.networks.activation import PIECEWISE_LINEAR, Activation
from ebmood.networks.features import check_module_path, feature_extractor, import_module_object
from ebmood.networks.generator import NoisyGenerator
from ebmood.networks.gradients import InputGradients, input_gradient
from ebmood.networks.linearised import along_gradient
from ebmood.networks.mlp import MLP
from ebmood.networks.precision import Precision, multiplies_in_bf16, reduced
from ebmood.networks.resnet_generator import ResNetGenerator
from ebmood.networks.wideresnet import WideResNet

__all__ = [
    "MLP",
    "PIECEWISE_LINEAR",
    "Activation",
    "InputGradients",
    "NoisyGenerator",
    "Precision",
    "ResNetGenerator",
    "WideResNet",
    "along_gradient",
    "check_module_path",
    "feature_extractor",
    "import_module_object",
    "input_gradient",
    "multiplies_in_bf16",
    "reduced",
]
