"""Which recipe a method's name stands for, on tables, on images, and on embeddings of images."""

from ebmood.core.errors import EbmoodError
from ebmood.recipes.embedding import Classifier, ExternalClassifier
from ebmood.recipes.images import IMAGE_METHODS, Pixels
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.tabular import METHODS
from ebmood.recipes.variant import Variant

GREY, COLOUR = 64, 32
"""Rows a batch on pixels: the protocol's for FMNIST and for CIFAR-10."""

GREY_FEATURES, COLOUR_FEATURES = 128, 512
"""Rows a batch on embeddings, likewise."""


def recipe_for(
    method: str,
    variant: Variant,
    gamma: float | None,
    shape: tuple[int, ...],
    bottleneck: float | None = None,
    embedding: Classifier | ExternalClassifier | None = None,
    classifier: Classifier | None = None,
) -> Recipe:
    """The protocol's recipe for rows of this shape.

    Args:
        method: a key of `METHODS` for tables and embeddings, of `IMAGE_METHODS` for pixels.
        variant: `paper` or `sound`.
        gamma: weight of the cross-entropy, or None.
        shape: of one row, `(D,)` or `(C, H, W)`. Grey images have FMNIST's batches, others CIFAR-10's.
        bottleneck: of the image network, as a share of its channels.
        embedding: the classifier whose features stand in place of pixels.
        classifier: whose own scores the classifier baselines are; the default one if None.

    Raises:
        EbmoodError: the method is unknown for such rows, or takes no such setting; the user's classifier cannot be
            imported.
    """
    images = len(shape) == 3
    if not images and embedding is not None:
        raise EbmoodError(
            "embeddings are of images, and this data set is a table; remove the key 'embedding'"
        )
    if bottleneck is not None and (embedding is not None or not images):
        raise EbmoodError("a bottleneck belongs to the network for pixels; remove the key 'bottleneck'")
    known = IMAGE_METHODS if images and embedding is None else METHODS
    if method not in known:
        what = "embeddings" if embedding is not None else "images" if images else "tables"
        raise EbmoodError(f"method {method!r} is none for {what}: {', '.join(known)}")
    grey = shape[0] == 1
    if images and embedding is None:
        pixels = Pixels(GREY if grey else COLOUR, bottleneck, classifier or Classifier())
        return IMAGE_METHODS[method](variant, gamma, pixels)
    if embedding is None:
        return METHODS[method](variant, gamma)
    if isinstance(embedding, ExternalClassifier):
        embedding.check()
    recipe = METHODS[method](variant, gamma, GREY_FEATURES if grey else COLOUR_FEATURES)
    return recipe.model_copy(update={"embedding": embedding, "shortened": embedding.shortened})
