"""Scores of a trained density model besides its log-density."""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from ebmood.core.settings import by_kind
from ebmood.density_scores.class_probability import ClassProbability
from ebmood.density_scores.gradient_norm import GradientNorm
from ebmood.density_scores.input_complexity import InputComplexity
from ebmood.density_scores.likelihood_ratio import LikelihoodRatio
from ebmood.density_scores.score import CombinedScore, DensityScore, FittedScore, ScoredModel
from ebmood.density_scores.typicality import Typicality
from ebmood.density_scores.waic import WAIC

SCORES: tuple[type[DensityScore] | type[CombinedScore], ...] = (
    Typicality,
    InputComplexity,
    GradientNorm,
    ClassProbability,
    WAIC,
    LikelihoodRatio,
)
"""All scores that a study may name, besides `log-density`. A new score is one line here."""

AnyDensityScore = Annotated[SerializeAsAny[DensityScore], BeforeValidator(by_kind(DensityScore))]
"""The type of a field that holds any score of one model."""

__all__ = [
    "SCORES",
    "WAIC",
    "AnyDensityScore",
    "ClassProbability",
    "CombinedScore",
    "DensityScore",
    "FittedScore",
    "GradientNorm",
    "InputComplexity",
    "LikelihoodRatio",
    "ScoredModel",
    "Typicality",
]
