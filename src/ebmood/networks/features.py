"""Features of a classifier: the input of its last linear layer. And modules by import path."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.core.imports import describe, import_object

MOST_LAYERS = 40
"""Most names of layers in a message."""


def feature_extractor(module: nn.Module, layer: str | None = None) -> nn.Module:
    """Return a module whose output is the input of one layer of `module`.

    By default the layer is the `nn.Linear` that runs last in a forward pass, which computes the logits of a classifier.
    The extractor refers to `module` and does not copy it: parameters, device and training mode are shared. Gradients
    are computed as usual. Hooks are registered for the duration of a call only.

    Args:
        module: a network with one tensor as its input.
        layer: name of another layer, as in `module.named_modules()`, for example `classifier.1`.

    Returns:
        A module that maps `(N, *shape)` to flattened features `(N, E)`.

    Raises:
        EbmoodError: the layer does not exist. When the extractor is called: the layer does not run, or its input does
            not have one row for each row of the module's input.

    >>> import torch
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> feature_extractor(network)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """
    return _FeatureExtractor(module, layer)


def classifier_outputs(module: nn.Module, layer: str | None = None) -> "ClassifierOutputs":
    """Return a module that gives the features and the logits of a classifier in one forward pass.

    The features are those of `feature_extractor`, with the same arguments and errors.

    >>> import torch
    >>> outputs = classifier_outputs(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    >>> features, logits = outputs(torch.zeros(5, 4))
    >>> features.shape, logits.shape, outputs.head(torch.zeros(5, 4))
    (torch.Size([5, 3]), torch.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """
    return ClassifierOutputs(module, layer)


class _LayerInput(nn.Module):
    """Run a network, and return its output together with the input of one of its layers."""

    def __init__(self, module: nn.Module, layer: str | None):
        super().__init__()
        self.module = module
        self.paths = _linear_layers(module) if layer is None else [_checked_layer(module, layer)]

    def run(self, x: Tensor) -> tuple[Tensor, Any, str]:
        """Return the features `(N, E)`, the output of the network, and the layer that received the features."""
        features: Tensor | None = None
        last = ""

        def record(path: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
                nonlocal features, last
                features, last = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None, path

            return hook

        with ExitStack() as hooks:
            for path in self.paths:
                hooks.enter_context(self.module.get_submodule(path).register_forward_pre_hook(record(path)))
            output = self.module(x)
        return self._checked(features, x).flatten(1), output, last

    def _checked(self, features: Tensor | None, x: Tensor) -> Tensor:
        name, layers = type(self.module).__name__, " or ".join(self.paths[-3:])
        if features is None:
            raise EbmoodError(f"{name}: {layers} received no tensor in the forward pass; name another layer")
        rows = x.shape[0]  # `len` would fix the number of rows in an exported graph
        if features.ndim < 2 or features.shape[0] != rows:
            advice = "give rows, (N, ...)" if x.ndim < 2 else "name another layer"
            raise EbmoodError(
                f"{name}: the input of {layers} has shape {tuple(features.shape)} for inputs of shape "
                f"{tuple(x.shape)}, not one row for each of {rows}; {advice}"
            )
        return features


class _FeatureExtractor(_LayerInput):
    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)[0]


class ClassifierOutputs(_LayerInput):
    """A classifier that returns its features as well. `classifier_outputs` makes it."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `(N, E)` and logits `(N, K)`.

        Raises:
            EbmoodError: the network does not return one row of two or more logits for each input, or the features are
                not one row for each.
        """
        features, output, _ = self.run(x)
        return features, self._logits(output, x.shape[0])

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits alone, `(N, K)`."""
        return self._logits(self.module(x), x.shape[0])

    def head(self, x: Tensor) -> nn.Linear | None:
        """Return the layer whose input are the features of inputs `x`, if it is an `nn.Linear`."""
        layer = self.module.get_submodule(self.run(x)[2])
        return layer if isinstance(layer, nn.Linear) else None

    def _logits(self, output: Any, rows: int) -> Tensor:
        if (
            isinstance(output, Tensor)
            and output.ndim == 2
            and output.shape[0] == rows
            and output.shape[1] > 1
        ):
            return output
        kind = (
            f"a tensor of shape {tuple(output.shape)}"
            if isinstance(output, Tensor)
            else type(output).__name__
        )
        raise EbmoodError(
            f"{type(self.module).__name__} returns {kind} for {rows} inputs; a classifier must return logits (N, K) "
            "with two or more classes, wrap it in a module that does"
        )


def _linear_layers(module: nn.Module) -> list[str]:
    paths = [path for path, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not paths:
        layers = [path for path, _ in module.named_modules() if path]
        advice = (
            f"; name a layer, one of: {_last_layers(module)}"
            if layers
            else " and no layers; wrap it in a module"
        )
        raise EbmoodError(
            f"{type(module).__name__} has no nn.Linear whose input could be the features{advice}"
        )
    return paths


def _checked_layer(module: nn.Module, layer: str) -> str:
    if layer not in dict(module.named_modules()):
        raise EbmoodError(
            f"{type(module).__name__} has no layer {layer!r}; its layers are: {_last_layers(module)}"
        )
    return layer


def _last_layers(module: nn.Module) -> str:
    layers = [path for path, _ in module.named_modules() if path]
    before = f" (and {len(layers) - MOST_LAYERS} before these)" if len(layers) > MOST_LAYERS else ""
    return (", ".join(layers[-MOST_LAYERS:]) or "none") + before


def import_module_object(path: str, parameters: Mapping[str, Any] | None = None) -> nn.Module:
    """Return the module at an import path, or the module that the class or function at the path returns.

    Args:
        path: import path of a class or function (`torchvision.models.resnet18`, `timm.create_model`), which is called
            with `parameters`, or of an `nn.Module` instance (`my_package.my_classifier`), which takes no parameters.
        parameters: keyword arguments of the class or function.

    Raises:
        EbmoodError: the path cannot be imported, the call fails, or the result is not a `torch.nn.Module`.

    >>> import_module_object("torch.nn.Linear", {"in_features": 3, "out_features": 2})
    Linear(in_features=3, out_features=2, bias=True)
    """
    arguments = dict(parameters or {})
    target = check_module_path(path)
    if isinstance(target, nn.Module):
        if arguments:
            raise EbmoodError(
                f"{path!r} is an nn.Module instance and takes no parameters; remove {', '.join(arguments)}"
            )
        return target
    if not callable(target):
        raise EbmoodError(
            f"module {path!r} is a {type(target).__name__}; name an nn.Module, or a function that returns one"
        )
    return _call(target, path, arguments)


def check_module_path(path: str) -> Any:
    """Return the object at an import path, without calling it.

    Raises:
        EbmoodError: the path cannot be imported.
    """
    return import_object(path, "module")


def _call(function: Callable[..., Any], path: str, arguments: dict[str, Any]) -> nn.Module:
    try:
        module = function(**arguments)
    except Exception as error:  # user code, or a download: any error may occur
        raise EbmoodError(
            f"module {path!r} cannot be built with {arguments} ({describe(error)}); correct its parameters"
        ) from error
    if not isinstance(module, nn.Module):
        raise EbmoodError(f"module {path!r} returns a {type(module).__name__}, not an nn.Module")
    return module
