"""Which features of a batch differ from the reference rows: a test for each feature, and Benjamini-Hochberg over them.

Numbers are compared by two Kolmogorov-Smirnov tests: of the values, and of their distances from the common median,
which finds changes of the spread. Levels of categories are compared by the chi-square test, and the fraction of missing
values by Fisher's exact test. Several tests of one feature are combined by Bonferroni. Ties make the Kolmogorov-Smirnov
test conservative. The false discovery rate holds for one batch: of batches without drift, at most about the fraction
`fdr` names some feature.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ebmood.core.calibration import benjamini_hochberg

Floats = NDArray[np.float64]

MIN_EXPECTED = 5
"""Levels with fewer expected rows in the batch are pooled for the chi-square test."""


def feature_p_values(batch: Floats, reference: Floats, categories: Iterable[int] = ()) -> Floats:
    """Return the p-value of each feature for "batch and reference rows have one distribution": `(D,)`.

    Args:
        batch: `(N, D)` rows: numbers, numbers of levels, and NaN for missing values.
        reference: `(M, D)` rows.
        categories: the columns that hold numbers of levels.
    """
    of_levels = set(categories)
    return np.array(
        [
            _p_value(batch[:, column], reference[:, column], column in of_levels)
            for column in range(batch.shape[1])
        ]
    )


def drifted_features(p_values: Floats, fdr: float) -> tuple[int, ...]:
    """Return the positions of the features that Benjamini-Hochberg selects, those with the smallest p-value first."""
    selected = np.flatnonzero(benjamini_hochberg(p_values, fdr))
    return tuple(selected[np.argsort(p_values[selected], kind="stable")].tolist())


def _p_value(batch: Floats, reference: Floats, is_category: bool) -> float:
    gaps, reference_gaps = np.isnan(batch), np.isnan(reference)
    values, reference_values = batch[~gaps], reference[~reference_gaps]
    compare = _compare_levels if is_category else _compare_numbers
    p = compare(values, reference_values) if len(values) and len(reference_values) else 1.0
    if not gaps.any() and not reference_gaps.any():
        return p
    return min(1.0, 2 * min(p, _compare_gaps(gaps, reference_gaps)))  # two tests of one feature


def _compare_numbers(values: Floats, reference: Floats) -> float:
    from scipy.stats import ks_2samp

    center = np.median(np.concatenate([values, reference]))
    pairs = ((values, reference), (np.abs(values - center), np.abs(reference - center)))
    smallest = min(ks_2samp(*pair, method="asymp").pvalue for pair in pairs)  # type: ignore[union-attr]  # scipy declares a tuple
    return min(1.0, 2 * float(smallest))


def _compare_levels(values: Floats, reference: Floats) -> float:
    from scipy.stats import chi2_contingency

    levels, codes = np.unique(np.concatenate([values, reference]), return_inverse=True)
    counts = np.stack(
        [
            np.bincount(codes[: len(values)], minlength=len(levels)),
            np.bincount(codes[len(values) :], minlength=len(levels)),
        ]
    )
    rare = counts.sum(0) * len(values) < MIN_EXPECTED * len(codes)
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(1)]) if rare.any() else counts
    counts = counts[:, counts.sum(0) > 0]
    if counts.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(counts, correction=False).pvalue)  # type: ignore[union-attr]  # scipy declares a tuple


def _compare_gaps(gaps: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    from scipy.stats import fisher_exact

    table = [[int(gaps.sum()), int((~gaps).sum())], [int(reference.sum()), int((~reference).sum())]]
    return float(fisher_exact(table).pvalue)  # type: ignore[union-attr]  # scipy declares a tuple
