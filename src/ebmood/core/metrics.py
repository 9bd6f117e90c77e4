"""How well scores tell in-distribution from out-of-distribution rows.

Higher scores mean more in-distribution. All four are functions of the ranks alone, so that a constant added
to the scores changes nothing.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


@dataclass(frozen=True)
class Separation:
    """Metrics of one pair of score arrays; see `separation`."""

    aupr_id: float
    aupr_ood: float
    auroc: float
    fpr95: float


def separation(id_scores: np.ndarray, ood_scores: np.ndarray) -> Separation:
    """Four numbers for ID scores `(N,)` against OOD scores `(M,)`.

    Returns:
        aupr_id: average precision with ID as the positive class, ranked by the score.
        aupr_ood: average precision with OOD as the positive class, ranked by minus the score.
        auroc: probability that an ID row scores above an OOD row, ties counted half.
        fpr95: share of OOD rows at or above the highest threshold that at least 95 % of the ID rows reach (ID
            is positive).

    Raises:
        ValueError: a score is not finite, or a side is empty.
    """
    if not len(id_scores) or not len(ood_scores):
        raise ValueError("both sides need at least one score")
    scores = np.concatenate([id_scores, ood_scores]).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.sum(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    is_id = np.concatenate([np.ones(len(id_scores)), np.zeros(len(ood_scores))])
    needed = int(np.ceil(0.95 * len(id_scores)))
    threshold = np.sort(id_scores)[len(id_scores) - needed]
    return Separation(
        aupr_id=float(average_precision_score(is_id, scores)),
        aupr_ood=float(average_precision_score(1 - is_id, -scores)),
        auroc=float(roc_auc_score(is_id, scores)),
        fpr95=float(np.mean(np.asarray(ood_scores) >= threshold)),
    )
