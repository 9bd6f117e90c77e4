"""The in-distribution images: training and test part with common class numbers, and classes that are held out."""

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Self

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.images.decode_cache import DecodedPart
from ebmood.data.table import sort_class_names


@dataclass(frozen=True)
class InDistribution:
    """In-distribution images, and the images of classes that are held out.

    Attributes:
        x, y, test_x, test_y, classes: see `Dataset`.
        held_out: all images of each class that is held out, by class name.
    """

    x: np.ndarray
    y: np.ndarray | None
    test_x: np.ndarray | None
    test_y: np.ndarray | None
    classes: tuple[str, ...]
    held_out: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def from_parts(cls, train: DecodedPart, test: DecodedPart | None) -> Self:
        """Return the images of both parts. The classes are those of both parts."""
        labels = [part.labels for part in (train, test) if part is not None and part.labels is not None]
        classes = tuple(sort_class_names({name for part in labels for name in np.unique(part).tolist()}))
        return cls(
            x=train.x,
            y=_class_numbers(train.labels, classes),
            test_x=None if test is None else test.x,
            test_y=None if test is None else _class_numbers(test.labels, classes),
            classes=classes if train.labels is not None else (),
        )

    def hold_out(self, names: tuple[str, ...], description: str) -> Self:
        """Return a copy in which the images of some classes are in `held_out` instead.

        Args:
            names: names of the classes. If empty, nothing is copied.
            description: name of the set in messages.

        Raises:
            EbmoodError: there are no labels, a class does not exist, or no other class is left.
        """
        if not names:
            return self
        if self.y is None or (self.test_x is not None and self.test_y is None):
            raise EbmoodError(f"{description}: the images have no labels, which `hold_out` needs")
        self._check_classes(names, description)
        parts = [(self.x, self.y)]
        if self.test_x is not None and self.test_y is not None:
            parts.append((self.test_x, self.test_y))
        held_out = {
            name: np.concatenate([x[y == number] for x, y in parts])
            for number, name in enumerate(self.classes)
            if name in names
        }
        classes = tuple(name for name in self.classes if name not in names)
        new_number = np.array([classes.index(name) if name in classes else -1 for name in self.classes])
        remaining = [(x[new_number[y] >= 0], new_number[y][new_number[y] >= 0]) for x, y in parts]
        x, y = remaining[0]
        test_x, test_y = remaining[1] if len(remaining) > 1 else (None, None)
        return replace(self, x=x, y=y, test_x=test_x, test_y=test_y, classes=classes, held_out=held_out)

    def _check_classes(self, names: tuple[str, ...], description: str) -> None:
        for name in names:
            if name not in self.classes:
                similar = get_close_matches(name, self.classes, n=3, cutoff=0.4)
                hint = f"similar classes are {', '.join(similar)}"
                hint = hint if similar else f"the classes are {', '.join(self.classes[:20])}"
                raise EbmoodError(
                    f"{description}: no class {name!r} to hold out; {hint} (correct `hold_out`)"
                )
        if set(self.classes) <= set(names):
            raise EbmoodError(f"{description}: all classes are held out; leave at least one for training")


def _class_numbers(labels: np.ndarray | None, classes: tuple[str, ...]) -> np.ndarray | None:
    if labels is None:
        return None
    number = {name: k for k, name in enumerate(classes)}
    return np.array([number[name] for name in labels.tolist()], dtype=np.int64)
