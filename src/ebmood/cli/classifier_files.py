"""What `fit-classifier` and `score` share for a detector of a classifier: its network, and its rows in files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ebmood.cli.options import allow_imports_from

if TYPE_CHECKING:
    from torch import nn

    from ebmood.classifiers.classifier_rows import ClassifierRows

Module = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Import path of the network: package.module:name of a torch.nn.Module, or of a function without "
        "parameters that returns one. The current folder is searched as well.",
        show_default=False,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Weights of --module, a .safetensors file.", show_default=False),
]
Onnx = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The network as an ONNX graph, in place of --module.", show_default=False
    ),
]


@dataclass(frozen=True)
class NetworkFiles:
    """The options that name a network.

    Attributes:
        module: import path.
        weights: file of its weights.
        onnx: an ONNX graph, in place of both.
        onnx_logits: name of its output of logits.
        onnx_features: name of its output of features.
    """

    module: str | None
    weights: Path | None
    onnx: Path | None
    onnx_logits: str = "logits"
    onnx_features: str = "features"

    def load(self) -> "nn.Module":
        """Return the network.

        Raises:
            EbmoodError: no network is named, or two; it cannot be imported or read; or the weights do not fit.
        """
        from ebmood.classifiers.onnx_network import OnnxNetwork
        from ebmood.core.errors import EbmoodError
        from ebmood.networks import import_module_object

        if (self.module is None) == (self.onnx is None):
            raise EbmoodError("name the network of the classifier: either --module PATH or --onnx FILE")
        if self.onnx is not None:
            if self.weights is not None:
                raise EbmoodError("--weights belong to --module; an ONNX graph has its own, leave them out")
            return OnnxNetwork(self.onnx, self.onnx_logits, self.onnx_features)
        assert self.module is not None
        allow_imports_from(Path.cwd())
        network = import_module_object(self.module)
        if self.weights is not None:
            _load_weights(network, self.weights)
        return network


def open_rows(path: Path, image: Any, skip_corrupt: bool) -> "ClassifierRows":
    """Return the rows of an `.npz` file or of a folder of images.

    Raises:
        EbmoodError: the path is neither, or cannot be read.
    """
    from ebmood.classifiers.classifier_rows import ImageRows, read_arrays
    from ebmood.core.errors import EbmoodError

    if path.is_dir():
        return ImageRows.open(path, image, skip_corrupt)
    if not path.is_file():
        raise EbmoodError(f"{path}: no such file or folder; give an .npz file or a folder of images")
    return read_arrays(path)


def _load_weights(network: "nn.Module", path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from ebmood.core.errors import EbmoodError, one_line

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise EbmoodError(
            f"{path}: not a readable .safetensors file ({one_line(error)[:120]}); write it with "
            "safetensors.torch.save_file(network.state_dict(), FILE)"
        ) from error
    ours = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    differing = sorted(set(ours.items()) ^ set(theirs.items()))
    if differing:
        name = differing[0][0]
        raise EbmoodError(
            f"{path}: the weights do not fit {type(network).__name__}: {name} has shape "
            f"{theirs.get(name, 'none')} in the file and {ours.get(name, 'none')} in the network"
        )
    network.load_state_dict(tensors)
