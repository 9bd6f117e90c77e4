"""Find levels of categories that the fit did not know."""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v1 as nw

from ebmood.detector.io.categories import Levels, category_names, find_levels, level_numbers


def extend_levels(X: Any, levels: Mapping[int, Levels]) -> dict[int, Levels]:
    """Return the levels of the category columns of the fit, followed by new ones in X. Known levels keep their numbers.

    Args:
        X: a data frame; the levels do not change for any other input.
        levels: the levels of the category columns of the fit, by position.
    """
    if not levels or not nw.dependencies.is_into_dataframe(X):
        return dict(levels)
    frame = nw.from_native(X, eager_only=True)
    extended = dict(levels)
    for column in (column for column in levels if column < frame.shape[1]):
        known = level_numbers(levels[column])
        names = category_names(frame[:, column].to_list())
        extended[column] += find_levels(name for name in names if name not in known)
    return extended
