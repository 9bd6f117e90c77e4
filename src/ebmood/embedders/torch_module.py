"""A `torch.nn.Module` of the user as an embedder of images, by import path.

The path is `package.module:attribute`: a module, or a class or function without arguments that returns one. It is code,
so it is imported only if the user names it, and never because a saved detector does.
"""

import copy

import torch
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.imports import describe
from ebmood.embedders.embedder import RESIZING, Bytes, EmbedderIdentity, Features, ImageEmbedder, PixelRange
from ebmood.embedders.onnx_file import DEFAULT_SIZE, check_output
from ebmood.embedders.options import EmbedderOptions
from ebmood.embedders.pixels import scale_pixels
from ebmood.networks import feature_extractor, import_module_object, module_sha256


class TorchModule(ImageEmbedder):
    """The output of a module, or the input of one of its layers.

    Args:
        path: import path `package.module:attribute`.
        options: `output` is the name of a layer, as in `module.named_modules()`, whose input are the features; by
            default they are the output of the module. Pixels are those of `imagenet`, and images have 224 pixels per
            side, by default.

    Raises:
        EbmoodError: the path cannot be imported, is not a module, or does not accept images; or there is no such layer.
    """

    def __init__(self, path: str, options: EmbedderOptions):
        module = copy.deepcopy(import_module_object(path))  # it belongs to the user
        sha256 = module_sha256(module)
        network = module if options.output is None else feature_extractor(module, options.output)
        self._network = network.to(options.device).eval().requires_grad_(False)
        self.device, self._path = options.device, path
        self._pixels: PixelRange = options.pixels or "imagenet"
        size = options.image_size or DEFAULT_SIZE
        dimension = self._embed_batch(
            torch.zeros(self.batch, 3, size, size, dtype=torch.uint8).numpy()
        ).shape[1]
        self.identity = EmbedderIdentity(
            name=path,
            items="images",
            output=options.output,
            image_size=size,
            pixels=self._pixels,
            dimension=dimension,
            resizing=RESIZING,
            sha256=sha256,
        )

    def _embed_batch(self, images: Bytes) -> Features:
        x = scale_pixels(images, self._pixels).to(self.device)
        try:
            with torch.inference_mode():
                y = self._network(x)
        except EbmoodError:
            raise
        except Exception as error:  # code of the user
            raise InputError(
                f"{self._path}: does not accept images of shape {tuple(x.shape)} ({describe(error)})"
            ) from error
        if not isinstance(y, Tensor):
            raise InputError(f"{self._path}: returns a {type(y).__name__}, not a tensor; name a layer")
        return check_output(y.float().cpu().numpy(), len(images), f"the output of {self._path}")
