"""Tables: every score of the same trained model, and scores of several models beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ebmood.results import poster
from ebmood.results.arms import Arm, Metric, conditions_of, is_spread_out
from ebmood.results.conditions import Condition, Sets
from ebmood.results.tables.table import DATA, RECIPE, Cell, Column, Spread, Table
from ebmood.results.text import gamma_text, joined, one_line, slug, unique_marks
from ebmood.study.migration import current_key
from ebmood.study.records import OODResult, ScoreResults

LOG_DENSITY = "log-density"
_SCORE = Column("score", "score")
_MEANS: dict[Sets, str] = {"natural": "natural", "non-natural": "non-natural"}
_METRICS: dict[Metric, str] = {"aupr_id": "AUC-PR (ID +)", "auroc": "AUROC", "fpr95": "FPR95"}


@dataclass(frozen=True)
class _ScoreArm:
    """One score of one arm.

    Attributes:
        arm: the arm.
        score: name of the score.
        results: results of the seeds that are done, by seed.
        reasons: reasons of the seeds whose model is trained but whose score failed.
    """

    arm: Arm
    score: str
    results: dict[int, tuple[OODResult, ...]]
    reasons: tuple[str, ...] = ()

    def values(self, sets: Sets, metric: Metric) -> np.ndarray:
        """Return the mean of a metric over the sets of one kind, for each seed: `(seeds,)`."""
        chosen = ([result for result in results if result.kind == sets] for results in self.results.values())
        return np.array([np.mean([getattr(result, metric) for result in each]) for each in chosen if each])

    def values_on(self, name: str, metric: Metric) -> np.ndarray:
        """Return a metric on one set, for each seed: `(seeds,)`."""
        every = (result for results in self.results.values() for result in results)
        return np.array([getattr(result, metric) for result in every if result.name == name])

    @property
    def marks(self) -> str:
        """Marks of the arm; whether this score is unstable; and why it failed for some seeds."""
        marks = [mark for mark in self.arm.marks if mark != "unstable"]
        unstable = any(is_spread_out(self.values(kind, "auroc")) for kind in poster.KINDS)
        reasons = " / ".join(dict.fromkeys(one_line(reason) for reason in self.reasons))
        failed = f"{len(self.reasons)} scores failed: {reasons}" if self.reasons else ""
        return joined(unique_marks(marks, "unstable" if unstable else "", failed))


def density_score_tables(arms: Sequence[Arm]) -> list[Table]:
    """Return the means of all scores, and one table per condition with the AUROC on every set.

    They contain each arm with several scores, each score of several models, and the models that it combines. Without
    any, the list is empty.
    """
    scores = list(_score_arms(arms))
    if not scores:
        return []
    conditions = conditions_of([score.arm for score in scores])
    return [_means(scores), *(_per_set(scores, condition) for condition in conditions)]


def _score_arms(arms: Sequence[Arm]) -> Iterator[_ScoreArm]:
    members = {key for arm in arms for record in arm.records.values() for key in record.members}
    for arm in arms:
        records = arm.records.values()
        names = dict.fromkeys(other.score for record in records for other in record.density_scores)
        own = next((record.score for record in records if record.score), LOG_DENSITY)
        if names or own != LOG_DENSITY or any(current_key(record.key) in members for record in records):
            yield _ScoreArm(arm, own, {seed: record.results for seed, record in arm.done.items()})
            yield from (_other(arm, name) for name in names)


def _other(arm: Arm, name: str) -> _ScoreArm:
    results: dict[int, tuple[OODResult, ...]] = {}
    reasons: list[str] = []
    for seed, record in arm.done.items():
        found: ScoreResults | None = next((s for s in record.density_scores if s.score == name), None)
        if found is None or found.status == "failed":
            reasons.append((found and found.reason) or "not computed")
        else:
            results[seed] = found.results
    return _ScoreArm(arm, name, results, tuple(reasons))


def _means(scores: Sequence[_ScoreArm]) -> Table:
    columns = (
        DATA,
        *RECIPE,
        _SCORE,
        *(
            Column(f"{kind.replace('-', '')}_{metric}", f"{kind}: {title}", "spread")
            for kind in _MEANS
            for metric, title in _METRICS.items()
        ),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    rows = tuple(
        (
            score.arm.condition.label,
            *_head(score),
            *(_spread(score, score.values(kind, metric)) for kind in _MEANS for metric in _METRICS),
            len(score.results),
            score.marks,
        )
        for score in scores
    )
    notes = (
        "All scores of one method and seed come from one trained model. Scores of several models name them in the "
        "method. Scores of batches have fewer, easier decisions: compare them with scores of batches only.",
    )
    return Table("density-scores", "Scores of the same trained models", columns, rows, notes)


def _per_set(scores: Sequence[_ScoreArm], condition: Condition) -> Table:
    members = [score for score in scores if score.arm.condition == condition]
    names = dict.fromkeys(
        result.name for score in members for results in score.results.values() for result in results
    )
    columns = (
        *RECIPE,
        _SCORE,
        *(Column(name, name, "spread") for name in names),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    rows = tuple(
        (
            *_head(score),
            *(_spread(score, score.values_on(name, "auroc")) for name in names),
            len(score.results),
            score.marks,
        )
        for score in members
    )
    title = f"AUROC of the scores of the same trained models, on each OOD set of {condition.label}"
    return Table(f"density-scores-{slug(condition.label)}", title, columns, rows)


def _head(score: _ScoreArm) -> tuple[str, str, str, str]:
    return score.arm.name, gamma_text(score.arm.gamma), score.arm.variant, score.score


def _spread(score: _ScoreArm, values: np.ndarray) -> Cell:
    return Spread.of_metric(values) or (None if score.results else "failed")
