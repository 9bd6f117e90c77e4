"""Recipes by the name of a method, for tables, images, and embeddings of images."""

from ebmood.core.errors import EbmoodError
from ebmood.recipes.classifier import Classifier, ExternalClassifier
from ebmood.recipes.images import IMAGE_METHODS, ImageOptions
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.tabular import METHODS
from ebmood.recipes.variant import Variant

GREY_BATCH, COLOUR_BATCH = 64, 32
"""The protocol's batch sizes for images: those of FMNIST and of CIFAR-10."""

GREY_FEATURES_BATCH, COLOUR_FEATURES_BATCH = 128, 512
"""The protocol's batch sizes for embeddings of images: those of FMNIST and of CIFAR-10."""


def recipe_for(
    method: str,
    variant: Variant,
    gamma: float | None,
    shape: tuple[int, ...],
    bottleneck: float | None = None,
    embedding: Classifier | ExternalClassifier | None = None,
    classifier: Classifier | None = None,
) -> Recipe:
    """Return the protocol's recipe for inputs of this shape.

    Args:
        method: a key of `METHODS` for tables and embeddings, or of `IMAGE_METHODS` for images.
        variant: `paper`, `corrected` or `modern`. Recipes for images have no variant `modern`.
        gamma: weight of the cross-entropy, or None for training without labels.
        shape: shape of one input, `(D,)` or `(C, H, W)`. Images with one channel use the batch size of FMNIST, other
            images that of CIFAR-10.
        bottleneck: fraction of channels that remain in the bottlenecks of the image network; None for no bottlenecks.
        embedding: classifier whose features are used instead of pixels, or None.
        classifier: classifier of the methods `max-softmax` and `logsumexp`; None for the default.

    Raises:
        EbmoodError: the method is unknown for such inputs or does not have one of the settings, or the user's
            classifier cannot be imported.

    >>> recipe_for("ssm", "corrected", None, (18,)).label
    'ssm corrected'
    """
    is_image = len(shape) == 3
    if not is_image and embedding is not None:
        raise EbmoodError("embeddings need images, but this data set is a table; remove the key 'embedding'")
    if bottleneck is not None and (embedding is not None or not is_image):
        raise EbmoodError("only networks for images have bottlenecks; remove the key 'bottleneck'")
    methods = IMAGE_METHODS if is_image and embedding is None else METHODS
    if method not in methods:
        inputs = "embeddings" if embedding is not None else "images" if is_image else "tables"
        raise EbmoodError(f"unknown method {method!r} for {inputs}; choose one of {', '.join(methods)}")
    if variant == "modern" and methods is IMAGE_METHODS:
        raise EbmoodError("recipes for images have no variant 'modern'; choose paper or corrected")
    is_grey = shape[0] == 1
    if is_image and embedding is None:
        batch_size = GREY_BATCH if is_grey else COLOUR_BATCH
        return IMAGE_METHODS[method](
            variant, gamma, ImageOptions(batch_size, bottleneck, classifier or Classifier())
        )
    if embedding is None:
        return METHODS[method](variant, gamma)
    if isinstance(embedding, ExternalClassifier):
        embedding.check()
    recipe = METHODS[method](variant, gamma, GREY_FEATURES_BATCH if is_grey else COLOUR_FEATURES_BATCH)
    return recipe.model_copy(update={"embedding": embedding, "shortened": embedding.shortened})
