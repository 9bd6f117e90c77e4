"""Networks: plain modules that map inputs to logits. They know nothing of energies, training or data."""

from ebmood.networks.activation import Activation, activation, is_smooth
from ebmood.networks.digest import module_sha256
from ebmood.networks.features import (
    ClassifierOutputs,
    check_module_path,
    classifier_outputs,
    feature_extractor,
    import_module_object,
)
from ebmood.networks.generator import NoisyGenerator
from ebmood.networks.mlp import MLP
from ebmood.networks.precision import Precision, autocast, supports_bf16
from ebmood.networks.resnet_generator import ResNetGenerator
from ebmood.networks.wideresnet import WideResNet

__all__ = [
    "MLP",
    "Activation",
    "ClassifierOutputs",
    "NoisyGenerator",
    "Precision",
    "ResNetGenerator",
    "WideResNet",
    "activation",
    "autocast",
    "check_module_path",
    "classifier_outputs",
    "feature_extractor",
    "import_module_object",
    "is_smooth",
    "module_sha256",
    "supports_bf16",
]
