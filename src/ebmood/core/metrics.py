"""Metrics of the separation of in-distribution (ID) from out-of-distribution (OOD) rows by their scores.

Higher scores mean more in-distribution. All metrics depend only on the ranks of the scores.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


@dataclass(frozen=True)
class Separation:
    """Metrics of ID scores against OOD scores.

    Attributes:
        aupr_id: average precision with ID as the positive class, ranked by the score.
        aupr_ood: average precision with OOD as the positive class, ranked by the negative score.
        auroc: probability that an ID row has a higher score than an OOD row; ties count one half.
        fpr95: fraction of OOD rows at or above the highest threshold that at least 95 % of the ID rows reach.
    """

    aupr_id: float
    aupr_ood: float
    auroc: float
    fpr95: float


def separation(id_scores: np.ndarray, ood_scores: np.ndarray) -> Separation:
    """Return the metrics of ID scores `(N,)` against OOD scores `(M,)`, on all of them.

    The AUC-PR depends on the ratio of N to M. A study cuts both to the same number of rows first
    (`ebmood.study.measurements.ood_result`), so its AUC-PR, AUROC and FPR95 differ from those of all rows.

    Raises:
        ValueError: a score is not finite, or an array is empty.

    >>> separation(np.array([4.0, 3.0, 2.0, 1.0]), np.array([2.5])).auroc
    0.5
    """
    if not len(id_scores) or not len(ood_scores):
        raise ValueError("ID scores and OOD scores need at least one value each")
    scores = np.concatenate([id_scores, ood_scores]).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.sum(~np.isfinite(scores))} of {len(scores)} scores are not finite")
    is_id = np.concatenate([np.ones(len(id_scores)), np.zeros(len(ood_scores))])
    positives = int(np.ceil(0.95 * len(id_scores)))
    threshold = np.sort(id_scores)[len(id_scores) - positives]
    return Separation(
        aupr_id=float(average_precision_score(is_id, scores)),
        aupr_ood=float(average_precision_score(1 - is_id, -scores)),
        auroc=float(roc_auc_score(is_id, scores)),
        fpr95=float(np.mean(np.asarray(ood_scores) >= threshold)),
    )
