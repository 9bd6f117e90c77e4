"""The split of an image set for one seed, as in the paper.

In-distribution images: the official training part is split into 90 % training and 10 % validation, and the official
test part is the test set. A set without a test part is split 80/10/10. Natural OOD sets: 20 % validation, 80 % test.
Test sets have at most 10,000 images. Images remain bytes.

Two images are equal if all bytes are equal after resizing. With duplicates `together`, equal images are in the same
part, and test images that equal an image of the training part are removed from the test set. With `across`, the parts
are used as they are. Both report the number of repeated images and of images that are in two parts.
"""

from hashlib import blake2b

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import Dataset, OODSet, Split
from ebmood.data.images.image_probes import draw_image_probes, unscaled_probe
from ebmood.data.images.low_level import low_level_sets
from ebmood.data.split import ID_FRACTIONS, OOD_FRACTIONS, group_numbers, partition

SPLIT_VERSION = 1
"""Version of `split_images`. Increase it when the images of its parts change.

The cell key of a study contains it, so that a study computes its records again.
"""

TRAIN_FRACTIONS = (0.9, 0.1)
"""Fractions of the official training part for training and validation."""


def split_images(
    dataset: Dataset,
    seed: int,
    duplicates: str,
    train_rows: int | None,
    test_rows: int,
    unscaled: str | None,
) -> Split:
    """Return the split of a data set with its probes and low-level sets.

    Args:
        dataset: images `(N, C, H, W)`, uint8.
        seed: seed of the split, the probes and the low-level sets, which have different random streams.
        duplicates: `together` or `across`; see the description of this module.
        train_rows: maximum number of training images. The number of validation images is reduced in proportion.
        test_rows: maximum number of images in a test set.
        unscaled: name of the natural set of the probe `NAME-unscaled`; see `unscaled_probe`.

    Raises:
        EbmoodError: a set has too few (different) images.
    """
    description = f"{dataset.source}: in-distribution images"
    notes: list[str] = []
    generator = numpy_stream(seed, "split")
    x, y = dataset.x, dataset.y
    if dataset.test_x is None:
        test_x, test_y = x, y
        all_groups = groups = test_groups = _image_groups(x)
        train, validation, test = partition(groups, ID_FRACTIONS, duplicates, generator, description)
    else:
        test_x, test_y = dataset.test_x, dataset.test_y
        all_groups = _image_groups(x, test_x)
        groups, test_groups = all_groups[: len(x)], all_groups[len(x) :]
        train, validation = partition(groups, TRAIN_FRACTIONS, duplicates, generator, description)
        test = numpy_stream(seed, "split/test").permutation(len(test_x))
        in_training = np.isin(test_groups[test], groups)
        if duplicates == "together" and in_training.any():
            test = test[~in_training]
            notes.append(
                f"{int(in_training.sum())} test images removed that equal an image of the training part"
            )
        if len(test) == 0:
            raise EbmoodError(
                f"{description}: every test image equals an image of the training part; set `duplicates: across`"
            )
    if train_rows is not None and train_rows < len(train):
        validation = validation[: max(1, round(train_rows * len(validation) / len(train)))]
        train = train[:train_rows]
    test = test[:test_rows]
    split_test_x = np.asarray(test_x[test])

    natural = [_split_natural(dataset, name, seed, duplicates, test_rows) for name in dataset.natural]
    shape = split_test_x.shape[1:]
    ood: list[tuple[OODSet, ...]] = []
    for part, rows in enumerate((validation, test)):
        natural_part = [pair[part] for pair in natural]
        probes = draw_image_probes(len(rows), shape, seed, ("validation", "test")[part])
        ood.append((*natural_part, *probes, *unscaled_probe(natural_part, unscaled)))
    held_out_groups = np.concatenate([groups[validation], test_groups[test]])
    return Split(
        dataset=dataset.name,
        train_x=np.asarray(x[train]),
        validation_x=np.asarray(x[validation]),
        test_x=split_test_x,
        train_y=None if y is None else y[train],
        validation_y=None if y is None else y[validation],
        test_y=None if test_y is None else test_y[test],
        classes=len(dataset.classes),
        validation_ood=ood[0],
        test_ood=(*ood[1], *low_level_sets(split_test_x, seed)),
        duplicates=len(all_groups) - int(all_groups.max(initial=-1)) - 1,
        crossing=int(np.isin(held_out_groups, groups[train]).sum()),
        notes=(*dataset.notes, *notes),
    )


def _split_natural(
    dataset: Dataset, name: str, seed: int, duplicates: str, max_rows: int
) -> tuple[OODSet, OODSet]:
    x = dataset.natural[name]
    description = f"{dataset.source}: natural OOD set {name!r}"
    generator = numpy_stream(seed, f"split/{name}")
    parts = partition(_image_groups(x), OOD_FRACTIONS, duplicates, generator, description)
    validation, test = (OODSet(name, "natural", np.asarray(x[part[:max_rows]])) for part in parts)
    return validation, test


def _image_groups(*arrays: np.ndarray) -> np.ndarray:
    """Return a number for each image of all arrays, the same for equal images. Images are compared by a digest."""
    digests = b"".join(blake2b(row.tobytes(), digest_size=16).digest() for x in arrays for row in x)
    return group_numbers(np.frombuffer(digests, dtype="V16"))
