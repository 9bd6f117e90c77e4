"""Embedders: networks that were trained elsewhere, which map an image or a text to a row of features.

An embedder has an identity, which is saved with a detector: what it is, how it is applied, and the SHA-256 of its
weights. `open_embedder` returns the embedder that a user names, `reopen_embedder` that of an identity.
"""

from ebmood.embedders.embedder import (
    Embedder,
    EmbedderIdentity,
    ImageEmbedder,
    PixelRange,
    TextEmbedder,
)
from ebmood.embedders.lookup import EMBEDDERS, open_embedder, reopen_embedder
from ebmood.embedders.options import EmbedderOptions

__all__ = [
    "EMBEDDERS",
    "Embedder",
    "EmbedderIdentity",
    "EmbedderOptions",
    "ImageEmbedder",
    "PixelRange",
    "TextEmbedder",
    "open_embedder",
    "reopen_embedder",
]
