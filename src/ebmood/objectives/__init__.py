"""Objectives: how density models are trained. A new objective is one new file; `recipes.METHODS` lists its recipe."""

from ebmood.objectives.cd import CD, ContrastiveDivergence
from ebmood.objectives.cross_entropy import Classification, CrossEntropy
from ebmood.objectives.dsm import DSM, DenoisingScoreMatching, MultilevelDenoising
from ebmood.objectives.likelihood import Likelihood, MaximumLikelihood
from ebmood.objectives.nce import NCE, NoiseContrastive
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    Objective,
    ObjectiveSettings,
    Player,
    SinglePlayerObjective,
    SinglePlayerSettings,
)
from ebmood.objectives.ssm import SSM, SlicedScoreMatching
from ebmood.objectives.supervision import Supervised
from ebmood.objectives.vera import VERA, VariationalEntropy

__all__ = [
    "CD",
    "DSM",
    "NCE",
    "SSM",
    "VERA",
    "AdamW",
    "Batch",
    "Classification",
    "ContrastiveDivergence",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Likelihood",
    "Loss",
    "MaximumLikelihood",
    "MultilevelDenoising",
    "NoiseContrastive",
    "Objective",
    "ObjectiveSettings",
    "Player",
    "SinglePlayerObjective",
    "SinglePlayerSettings",
    "SlicedScoreMatching",
    "Supervised",
    "VariationalEntropy",
]
