"""Options about embedders, and the embedder that they name."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ebmood.cli.options import allow_imports_from

if TYPE_CHECKING:
    from ebmood.embedders import Embedder


class Pixels(StrEnum):
    """What a network expects of pixels."""

    imagenet = "imagenet"
    unit = "unit"
    signed = "signed"
    bytes = "bytes"


Embed = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE.onnx",
        help="Images: learn from the features of a network. efficientnet-lite0, an ONNX file, or the import path "
        "package.module:attribute of a torch.nn.Module.",
        show_default=False,
    ),
]
Text = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Read a column of free text as the features of its word vectors. Name or pattern. May be repeated.",
    ),
]
EmbedOutput = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Output of the ONNX file, or layer of the module whose input are the features. Same as FILE.onnx#NAME. "
        "[default: the last output of two axes; the output of the module]",
        show_default=False,
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        min=8,
        max=4096,
        metavar="S",
        help="With --embed: resize images to S x S pixels. [default: that of the network, or 224]",
        show_default=False,
    ),
]
PixelRangeOption = Annotated[
    Pixels | None,
    typer.Option(
        help="With --embed: pixels as the network expects them. imagenet: mean and deviation of each channel over "
        "ImageNet are 0 and 1; unit: 0 to 1; signed: -1 to 1, as (x - 127) / 128; bytes: 0 to 255. [default: "
        "imagenet; efficientnet-lite0 has its own]",
        show_default=False,
    ),
]
EmbedAgain = Annotated[
    str | None,
    typer.Option(
        "--embed",
        metavar="FILE.onnx",
        help="Where the ONNX file of the fit is now, or the import path of its torch.nn.Module.",
        show_default=False,
    ),
]


Where = Annotated[
    bool,
    typer.Option(
        "--where",
        help="With --embed: compare patches, so that scores find small damage, and maps show where it is. For aligned "
        "scenes: one camera, one pose, or one texture.",
    ),
]


def allow_import(name: str | None) -> str | None:
    """Return `name` unchanged. If it is an import path, modules of the current folder can be imported from now on."""
    if name is not None and ":" in name:
        allow_imports_from(Path.cwd())
    return name


def embedder_of(
    name: str, output: str | None, image_size: int | None, pixels: Pixels | None, device: str
) -> "Embedder":
    """Return the embedder that the options of `ebmood fit` name.

    Raises:
        EbmoodError: there is no such embedder, or it cannot be used.
    """
    from ebmood.detector.parameters import resolve_device
    from ebmood.embedders import EmbedderOptions, open_embedder

    options = EmbedderOptions(
        image_size, output, None if pixels is None else pixels.value, str(resolve_device(device))
    )
    return open_embedder(allow_import(name) or name, options)
