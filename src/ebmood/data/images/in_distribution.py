"""The in-distribution set: its parts with one numbering of classes, and classes held out of it."""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Self

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.decode_cache import Decoded
from ebmood.data.table import ordered


@dataclass(frozen=True)
class Inside:
    """In-distribution images, as `Dataset` has them, and the images of classes held out.

    Attributes:
        x, y, test_x, test_y, classes: as in `Dataset`.
        held: all images of each class held out, by its name.
    """

    x: np.ndarray
    y: np.ndarray | None
    test_x: np.ndarray | None
    test_y: np.ndarray | None
    classes: tuple[str, ...]
    held: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, train: Decoded, test: Decoded | None) -> Self:
        """The two parts of a set. Classes are those of the training part, and any that only the test part has."""
        parts = [part.labels for part in (train, test) if part is not None and part.labels is not None]
        classes = tuple(ordered({name for labels in parts for name in np.unique(labels).tolist()}))
        return cls(
            x=train.x,
            y=_numbers(train.labels, classes),
            test_x=None if test is None else test.x,
            test_y=None if test is None else _numbers(test.labels, classes),
            classes=classes if train.labels is not None else (),
        )

    def without(self, hold_out: tuple[str, ...], where: str) -> Self:
        """The set without the images of some classes, which stand in `held` instead.

        Args:
            hold_out: names of classes; without any, nothing is copied.
            where: the set, for messages.

        Raises:
            EbmoodError: there are no labels, no such class, or no class left.
        """
        if not hold_out:
            return self
        if self.y is None or (self.test_x is not None and self.test_y is None):
            raise EbmoodError(f"{where}: classes are to be held out, but its images have no labels")
        for name in hold_out:
            if name not in self.classes:
                near = get_close_matches(name, self.classes, n=3, cutoff=0.4) or self.classes[:20]
                raise EbmoodError(
                    f"{where}: no class {name!r} to hold out; there is {', '.join(near)} (mend `hold_out`)"
                )
        left = tuple(name for name in self.classes if name not in hold_out)
        if not left:
            raise EbmoodError(f"{where}: all classes are held out; leave at least one to learn from")
        parts = [(self.x, self.y)]
        if self.test_x is not None and self.test_y is not None:
            parts.append((self.test_x, self.test_y))
        held = {
            name: np.concatenate([x[y == self.classes.index(name)] for x, y in parts])
            for name in self.classes
            if name in hold_out
        }
        number = np.array([left.index(name) if name in left else -1 for name in self.classes])
        kept = [(x[number[y] >= 0], number[y][number[y] >= 0]) for x, y in parts]
        test_x, test_y = kept[1] if len(kept) > 1 else (None, None)
        return replace(
            self, x=kept[0][0], y=kept[0][1], test_x=test_x, test_y=test_y, classes=left, held=held
        )


def _numbers(labels: np.ndarray | None, classes: tuple[str, ...]) -> np.ndarray | None:
    if labels is None:
        return None
    number = {name: k for k, name in enumerate(classes)}
    return np.array([number[name] for name in labels.tolist()], dtype=np.int64)
