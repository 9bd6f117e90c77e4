"""Scores of a trained classifier, one per file: functions of its features and logits, fitted on in-distribution rows.

    rows = FitRows.of_arrays(features, logits, labels, weight, bias)
    fitted = KNN().fit(rows)
    fitted.score_samples(Outputs.of_arrays(new_features, new_logits))  # (N,), higher is more in-distribution

A new score is a new file, and a line in `SCORES`.
"""

from ebmood.core.errors import InputError
from ebmood.scores.ash import ASH
from ebmood.scores.energy import Energy
from ebmood.scores.fdbd import FDBD
from ebmood.scores.gen import GEN
from ebmood.scores.joint import JointEnergy
from ebmood.scores.kl_matching import KLMatching
from ebmood.scores.knn import KNN
from ebmood.scores.mahalanobis import Mahalanobis
from ebmood.scores.max_logit import MaxLogit
from ebmood.scores.max_softmax import MaxSoftmax
from ebmood.scores.memory import MemoryScore
from ebmood.scores.nci import NCI
from ebmood.scores.odin import Odin
from ebmood.scores.react import ReAct
from ebmood.scores.relative_mahalanobis import RelativeMahalanobis
from ebmood.scores.scale import Scale
from ebmood.scores.score import FitRows, FittedScore, Head, InputScore, Outputs, Score
from ebmood.scores.vim import ViM

SCORES: tuple[Score, ...] = (
    MaxSoftmax(),
    MaxLogit(),
    Energy(),
    Odin(),
    KLMatching(),
    Mahalanobis(),
    RelativeMahalanobis(),
    KNN(),
    ViM(),
    ReAct(),
    ASH(),
    Scale(),
    GEN(),
    FDBD(),
    NCI(),
    MemoryScore(),
    JointEnergy(),
)
"""Every score with its default settings."""


def score_by_name(name: str) -> Score:
    """Return a score with its default settings by its `kind`.

    Raises:
        InputError: there is no such score.

    >>> score_by_name("energy")
    Energy(kind='energy', temperature=1.0)
    """
    for score in SCORES:
        if score.kind == name:
            return score
    raise InputError(f"score={name!r}: unknown; the scores are {', '.join(score.kind for score in SCORES)}")


__all__ = [
    "ASH",
    "FDBD",
    "GEN",
    "KNN",
    "NCI",
    "SCORES",
    "Energy",
    "FitRows",
    "FittedScore",
    "Head",
    "InputScore",
    "JointEnergy",
    "KLMatching",
    "Mahalanobis",
    "MaxLogit",
    "MaxSoftmax",
    "MemoryScore",
    "Odin",
    "Outputs",
    "ReAct",
    "RelativeMahalanobis",
    "Scale",
    "Score",
    "ViM",
    "score_by_name",
]
