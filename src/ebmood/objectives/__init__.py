"""Objectives: how density models are trained. A new one is one file here and one line in `AnyObjective`."""

from typing import Annotated

from pydantic import Field

from ebmood.objectives.cd import CD, ContrastiveDivergence
from ebmood.objectives.cross_entropy import Classification, CrossEntropy
from ebmood.objectives.dsm import DenoisingScoreMatching
from ebmood.objectives.likelihood import Likelihood, MaximumLikelihood
from ebmood.objectives.nce import NoiseContrastive
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, ObjectiveSettings, Player
from ebmood.objectives.ssm import SSM, SlicedScoreMatching
from ebmood.objectives.supervision import Supervised
from ebmood.objectives.vera import VERA, VariationalEntropy

AnyObjective = Annotated[SSM | CD | VERA | Likelihood, Field(discriminator="kind")]

__all__ = [
    "CD",
    "SSM",
    "VERA",
    "AdamW",
    "AnyObjective",
    "Batch",
    "Classification",
    "ContrastiveDivergence",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "Likelihood",
    "Loss",
    "MaximumLikelihood",
    "NoiseContrastive",
    "Objective",
    "ObjectiveSettings",
    "Player",
    "SlicedScoreMatching",
    "Supervised",
    "VariationalEntropy",
]
