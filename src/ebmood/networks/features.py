"""Features of any classifier: what its last linear layer is given. And the classifier itself, by import path."""

import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ebmood.core.errors import EbmoodError


def feature_extractor(module: nn.Module, layer: str | None = None) -> nn.Module:
    """A module that returns the input of a layer of `module` in place of `module`'s output.

    The layer is the `nn.Linear` that runs last, which in classifiers is the one that makes the logits, wherever it
    stands among the submodules. Training or evaluation, gradients and device are the caller's and `module`'s own
    affair; no hook stays on `module` between calls.

    Args:
        module: any network of one tensor. It is held, not copied.
        layer: name of another layer, as in `module.named_modules()`: `fc`, `classifier.1`.

    Returns:
        A module `(N, *shape) -> (N, E)`: features, flattened.

    Raises:
        EbmoodError: there is no such layer; or, when called: it did not run, or its input has not one row for each
            of `module`'s.
    """
    return _InputOf(module, layer)


class _InputOf(nn.Module):
    def __init__(self, module: nn.Module, layer: str | None):
        super().__init__()
        name = type(module).__name__
        layers = dict(module.named_modules())
        linear = [path for path, inner in layers.items() if isinstance(inner, nn.Linear)]
        if layer is not None and layer not in layers:
            known = ", ".join([path for path in layers if path][-8:])
            raise EbmoodError(f"{name} has no layer {layer!r}; its last ones are: {known or 'none'}")
        if layer is None and not linear:
            known = ", ".join([path for path in layers if path][-8:])
            raise EbmoodError(
                f"{name} has no nn.Linear to take features before; name a layer, one of: {known or 'none'}"
            )
        self.module = module
        self.paths = linear if layer is None else [layer]

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen[:] = [value for value in inputs[:1] if isinstance(value, Tensor)]

        hooks = [self.module.get_submodule(path).register_forward_pre_hook(keep) for path in self.paths]
        try:
            self.module(x)
        finally:
            for hook in hooks:
                hook.remove()
        name, of = type(self.module).__name__, " or ".join(self.paths[-3:])
        if not seen:
            raise EbmoodError(f"{name}: {of} was given no tensor while it ran; name another layer")
        features = seen[0]
        if features.ndim < 2 or len(features) != len(x):
            raise EbmoodError(
                f"{name}: the input of {of} has shape {tuple(features.shape)} for {len(x)} inputs, not one row "
                "for each; name another layer"
            )
        return features.flatten(1)


def import_module_object(path: str, parameters: Mapping[str, Any] | None = None) -> nn.Module:
    """The module that `path` names, or that it makes when called with `parameters`.

    Args:
        path: import path of a class or function (`torchvision.models.resnet18`, `timm.create_model`), or of a module
            that is there already (`my_package.my_classifier`), which takes no parameters.
        parameters: named arguments of the class or function.

    Raises:
        EbmoodError: the path cannot be imported, the call fails, or no `torch.nn.Module` comes of it.
    """
    given = dict(parameters or {})
    found = check_module_path(path)
    if isinstance(found, nn.Module):
        if given:
            raise EbmoodError(
                f"module {path!r} is made already and takes no parameters; remove {', '.join(given)}"
            )
        return found
    if not callable(found):
        raise EbmoodError(
            f"module {path!r} is a {type(found).__name__}; name a torch.nn.Module, or what makes one"
        )
    return _made(found, path, given)


def check_module_path(path: str) -> Any:
    """What stands at an import path; it is not called.

    Raises:
        EbmoodError: nothing does.
    """
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise EbmoodError(
            f"module {path!r} cannot be imported ({_line(error)}); install its package, or put its file beside the "
            "study file"
        ) from error


def _made(make: Callable[..., Any], path: str, parameters: dict[str, Any]) -> nn.Module:
    try:
        made = make(**parameters)
    except Exception as error:  # the user's code, or a download: whatever it is, one line says it
        raise EbmoodError(
            f"module {path!r} cannot be made with {parameters} ({_line(error)}); correct its parameters"
        ) from error
    if not isinstance(made, nn.Module):
        raise EbmoodError(f"module {path!r} makes a {type(made).__name__}, not a torch.nn.Module")
    return made


def _line(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")
