"""From scores to results: the separation of test rows by the log-density, and by other scores of the same model."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.metrics import separation
from ebmood.data import OODSet, Split
from ebmood.density_scores import DensityScore, FittedScore
from ebmood.models import DensityScorer, Scorer
from ebmood.study.records import OODResult, ScoreResults


def ood_result(ood: OODSet, id_scores: np.ndarray, ood_scores: np.ndarray) -> OODResult:
    """Return how well scores `(N,)` of ID test rows separate from scores `(M,)` of one set.

    Both are cut to the same number, so that precision has the same base rate for every set. Rows are in random order.
    """
    rows = min(len(id_scores), len(ood_scores))
    metrics = separation(id_scores[:rows], ood_scores[:rows])
    return OODResult(
        name=ood.name,
        kind=ood.kind,
        rows=rows,
        aupr_id=metrics.aupr_id,
        aupr_ood=metrics.aupr_ood,
        auroc=metrics.auroc,
        fpr95=metrics.fpr95,
    )


@dataclass(frozen=True)
class OtherScore:
    """A score of a trained model besides its log-density.

    Attributes:
        title: its name in tables.
        fitted: the fitted score, or the reason why there is none.
    """

    title: str
    fitted: FittedScore | str

    def results(
        self, split: Split, id_log_density: np.ndarray, log_density: Mapping[str, np.ndarray]
    ) -> ScoreResults:
        """Return the results on all sets. A failure of this score leaves the others as they are.

        Args:
            split: the split.
            id_log_density: log-densities of the ID test rows.
            log_density: log-densities of each OOD set, by name.
        """
        if isinstance(self.fitted, str):
            return ScoreResults(score=self.title, status="failed", reason=self.fitted)
        try:
            inside = self.fitted.score(split.test_x, id_log_density)
            results = tuple(
                ood_result(ood, inside, self.fitted.score(ood.x, log_density[ood.name]))
                for ood in split.test_ood
            )
        except Exception as error:  # every failure is recorded with its reason
            return ScoreResults(score=self.title, status="failed", reason=failure_reason(error))
        return ScoreResults(score=self.title, status="done", results=results)


def fit_scores(scores: Sequence[DensityScore], scorer: Scorer, train_x: np.ndarray) -> list[OtherScore]:
    """Fit scores to a trained model and its training rows; a failure is kept with its reason."""
    return [OtherScore(score.title, _fitted(score, scorer, train_x)) for score in scores]


def _fitted(score: DensityScore, scorer: Scorer, train_x: np.ndarray) -> FittedScore | str:
    try:
        if not isinstance(scorer, DensityScorer):
            raise InputError(f"score {score.kind!r} needs a trained density model; remove this score")
        return score.fit(scorer, train_x)
    except Exception as error:  # every failure is recorded with its reason
        return failure_reason(error)


def failure_reason(error: Exception) -> str:
    """Return the message of an error; with its type and place in the code unless the user can correct it."""
    if isinstance(error, EbmoodError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    file = frame.filename.rpartition("/")[2]
    return f"{type(error).__name__}: {error} ({frame.name}, {file}:{frame.lineno})"
