"""One seed's split of an image set: the protocol of the paper's images.

In-distribution: the official training part is split 90/10 into training and validation, and the official test
part is the test set; a set without a test part is split 80/10/10. Natural OOD sets: 20 % validation, 80 %
test. At most 10,000 test images a set. Images stay bytes.

Equal images (to the byte, in the shape they have here) kept `together`: they go to one side of
training/validation, and a test image that also stands in the training part is left out of the test set.
`across`: the parts are taken as they come. Both count what repeats and what crosses.
"""

from hashlib import blake2b

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import Dataset, OODSet, Split
from ebmood.data.images.image_probes import draw_image_probes, unscaled
from ebmood.data.images.low_level import low_level_sets
from ebmood.data.split import ID_SHARES, OOD_SHARES, numbered, partition

SPLIT_VERSION = 1
"""Increased whenever the same seed gives another split."""

TRAIN_SHARES = (0.9, 0.1)


def split_images(
    dataset: Dataset,
    seed: int,
    duplicates: str,
    train_rows: int | None,
    test_rows: int,
    unscaled_set: str | None,
) -> Split:
    """Split `dataset`, and make its probes and its low-level sets.

    Args:
        dataset: images `(N, C, H, W)`, uint8.
        seed: draws the split, the probes and the low-level sets, from streams of their own.
        duplicates: `together` or `across`: see the module's head.
        train_rows: keep so many training images at most, and validation images in proportion.
        test_rows: keep so many test images of each set at most.
        unscaled_set: the natural set whose bytes are the probe `...-unscaled`; the first if it is not there.

    Raises:
        EbmoodError: a set has too few (different) images.
    """
    where = f"{dataset.source}: in-distribution images"
    notes: list[str] = []
    draw = numpy_stream(seed, "split")
    x, y = dataset.x, dataset.y
    if dataset.test_x is None:
        test_x, test_y = x, y
        every = same = test_same = _same(x)
        train, validation, test = partition(same, ID_SHARES, duplicates, draw, where)
    else:
        test_x, test_y = dataset.test_x, dataset.test_y
        every = _same(x, test_x)
        same, test_same = every[: len(x)], every[len(x) :]
        train, validation = partition(same, TRAIN_SHARES, duplicates, draw, where)
        test = numpy_stream(seed, "split/test").permutation(len(test_x))
        repeated = np.isin(test_same[test], same)
        if duplicates == "together" and repeated.any():
            test = test[~repeated]
            notes.append(f"{int(repeated.sum())} test images left out that also stand in the training part")
        if len(test) == 0:
            raise EbmoodError(
                f"{where}: every test image stands in the training part; set `duplicates: across`"
            )
    if train_rows is not None and train_rows < len(train):
        validation = validation[: max(1, round(train_rows * len(validation) / len(train)))]
        train = train[:train_rows]
    test = test[:test_rows]
    held_test_x = np.asarray(test_x[test])

    natural = [_natural(dataset, name, seed, duplicates, test_rows) for name in dataset.natural]
    shape = held_test_x.shape[1:]
    ood: list[tuple[OODSet, ...]] = []
    for part, rows in enumerate((validation, test)):
        real = [pair[part] for pair in natural]
        probes = draw_image_probes(len(rows), shape, seed, ("validation", "test")[part])
        ood.append((*real, *probes, *unscaled(real, unscaled_set)))
    return Split(
        dataset=dataset.name,
        train_x=np.asarray(x[train]),
        validation_x=np.asarray(x[validation]),
        test_x=held_test_x,
        train_y=None if y is None else y[train],
        validation_y=None if y is None else y[validation],
        test_y=None if test_y is None else test_y[test],
        classes=len(dataset.classes),
        validation_ood=ood[0],
        test_ood=(*ood[1], *low_level_sets(held_test_x, seed)),
        duplicates=len(every) - int(every.max(initial=-1)) - 1,
        crossing=int(np.isin(np.concatenate([same[validation], test_same[test]]), same[train]).sum()),
        notes=(*dataset.notes, *notes),
    )


def _natural(dataset: Dataset, name: str, seed: int, duplicates: str, most: int) -> tuple[OODSet, OODSet]:
    x = dataset.natural[name]
    where = f"{dataset.source}: natural OOD set {name!r}"
    parts = partition(_same(x), OOD_SHARES, duplicates, numpy_stream(seed, f"split/{name}"), where)
    validation, test = (OODSet(name, "natural", np.asarray(x[part[:most]])) for part in parts)
    return validation, test


def _same(*arrays: np.ndarray) -> np.ndarray:
    """A number for every image of all arrays, equal for equal images. By a digest: images are large."""
    digests = b"".join(blake2b(row.tobytes(), digest_size=16).digest() for x in arrays for row in x)
    return numbered(np.frombuffer(digests, dtype="V16"))
