"""Objectives: how density models are trained. A new objective is one new file; `recipes.METHODS` lists its recipe."""

from ebmood.objectives.build import build_objective
from ebmood.objectives.cd import CD, ContrastiveDivergence
from ebmood.objectives.conditional_nce import ConditionalNCE, ConditionalNoiseContrastive
from ebmood.objectives.cross_entropy import Classification, CrossEntropy
from ebmood.objectives.dsm import DSM, DenoisingScoreMatching, MultilevelDenoising, MultilevelDSM
from ebmood.objectives.energy_discrepancy import EnergyDiscrepancy, EnergyDiscrepancyLoss
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
from ebmood.objectives.residual_cd import ResidualCD, ResidualContrastiveDivergence
from ebmood.objectives.ssm import SSM, SlicedScoreMatching
from ebmood.objectives.supervision import Supervised
from ebmood.objectives.vera import VERA, VariationalEntropy
from ebmood.objectives.whitened import InWhitenedCoordinates

__all__ = [
    "CD",
    "DSM",
    "NCE",
    "SSM",
    "VERA",
    "AdamW",
    "Batch",
    "Classification",
    "ConditionalNCE",
    "ConditionalNoiseContrastive",
    "ContrastiveDivergence",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "EnergyDiscrepancy",
    "EnergyDiscrepancyLoss",
    "InWhitenedCoordinates",
    "Likelihood",
    "Loss",
    "MaximumLikelihood",
    "MultilevelDSM",
    "MultilevelDenoising",
    "NoiseContrastive",
    "Objective",
    "ObjectiveSettings",
    "Player",
    "ResidualCD",
    "ResidualContrastiveDivergence",
    "SinglePlayerObjective",
    "SinglePlayerSettings",
    "SlicedScoreMatching",
    "Supervised",
    "VariationalEntropy",
    "build_objective",
]
