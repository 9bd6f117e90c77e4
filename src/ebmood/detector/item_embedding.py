"""Images and texts as rows of numbers, by an embedder of `ebmood.embedders`.

The embedder stands before the estimator: all that follows sees its features as a table without names. An
`nn.Module` given as `embed=` is part of the estimator instead (`ebmood.detector.user_embedding`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.embedders import Embedder, EmbedderOptions, ImageEmbedder, TextEmbedder, open_embedder
from ebmood.embedders.feature_cache import open_cache
from ebmood.embedders.images import embed_images, read_items

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddedItems:
    """Items whose features are already computed, as X of a detector with an embedder.

    Attributes:
        features: `(N, E)`.
    """

    features: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Any) -> "EmbeddedItems":
        return EmbeddedItems(self.features[rows])


def find_embedder(embed: Any, device: str) -> Embedder | None:
    """Return the embedder that the parameter `embed` stands for, or None if it stands for none.

    Args:
        embed: an embedder, its name, an `nn.Module`, or None.
        device: device of an embedder that is opened by its name.

    Raises:
        EbmoodError: there is no embedder of this name, or it cannot be used.
    """
    if isinstance(embed, (str, Path)):
        return open_embedder(str(embed), EmbedderOptions(device=device))
    return embed if isinstance(embed, Embedder) else None


def embed_items(embedder: Embedder, X: Any) -> Floats:
    """Return the features of X: `(N, E)`.

    Args:
        embedder: the embedder.
        X: for images what `ebmood.embedders.images.read_items` reads, for texts a sequence of strings, of which None
            is the empty text; or `EmbeddedItems`.

    Raises:
        EbmoodError: an item cannot be used; the message names it.
    """
    if isinstance(X, EmbeddedItems):
        features = X.features
    elif isinstance(embedder, ImageEmbedder):
        with open_cache(embedder) as cache:
            chunks = list(embed_images(embedder, read_items(X), cache))
        features = np.concatenate([chunk.features for chunk in chunks])
    else:
        assert isinstance(embedder, TextEmbedder)
        features = embedder.embed(_read_texts(X))
    if features.ndim != 2 or features.shape[1] != embedder.dimension:
        raise InputError(
            f"X: features of shape {features.shape}, but {embedder.identity.name} has {embedder.dimension} for each "
            "item"
        )
    return features.astype(np.float64)


def _read_texts(X: Any) -> list[str]:
    if hasattr(X, "to_pylist"):  # pyarrow
        X = X.to_pylist()
    elif hasattr(X, "tolist"):  # NumPy, pandas
        X = X.tolist()
    elif hasattr(X, "to_list"):  # polars
        X = X.to_list()
    if isinstance(X, (str, bytes)) or not isinstance(X, (list, tuple)) or not X:
        raise InputError(f"X: {type(X).__name__} is not a sequence of texts; give a list of strings")
    for index, text in enumerate(X):
        if text is not None and not isinstance(text, str):
            raise InputError(f"X: item {index} is {type(text).__name__}; give a list of strings")
    return [text or "" for text in X]
