"""What a user may choose about an embedder besides its name."""

from dataclasses import dataclass

from ebmood.embedders.embedder import PixelRange


@dataclass(frozen=True)
class EmbedderOptions:
    """Options of an embedder. None is the embedder's own value.

    Attributes:
        image_size: pixels per side to which images are resized.
        output: name of an output of an ONNX graph, or of a layer of a module, whose input are the features.
        pixels: what the network expects of pixels.
        device: device on which a PyTorch module computes.
    """

    image_size: int | None = None
    output: str | None = None
    pixels: PixelRange | None = None
    device: str = "cpu"


NO_OPTIONS = EmbedderOptions()
"""Everything as the embedder has it, on the CPU."""
