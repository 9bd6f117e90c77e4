"""The joint energy of logits and features.

    S(x) = (1 - w) g(s_f(x)) + w g(s_l(x))        or        min(s_f(x), s_l(x)),        g(s) = -log(1 + exp(-s))

s_f is the memory score of the features (`ebmood.scores.memory`), s_l a score of the logits. Both are standardised on
in-distribution rows, without any other rows: (score - median) / (median - 5th percentile), so that 0 is a typical row
and -1 the start of the strangest 5 %. The memory scores of in-distribution rows are leave-one-out scores.

g is bounded above: a network with ReLU has large logits far from all rows, and without g they would outweigh features
that are unlike all rows.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.scores.energy import Energy
from ebmood.scores.gen import GEN
from ebmood.scores.max_logit import MaxLogit
from ebmood.scores.max_softmax import MaxSoftmax
from ebmood.scores.memory import MemoryScore
from ebmood.scores.score import FitRows, Outputs, Score, State

SMALLEST_SCALE = 1e-6
PREFIX = "memory_"

LOGIT_SCORES: dict[str, Score] = {
    "energy": Energy(),
    "max-logit": MaxLogit(),
    "max-softmax": MaxSoftmax(),
    "gen": GEN(),
}


class JointEnergy(Score):
    """The memory score of the features and a score of the logits, both standardised, as one score.

    Attributes:
        features: settings of the memory score.
        logits: the score of the logits, with its default settings.
        combine: `mean`: the weighted mean. `min`: the more alarmed of both decides.
        logit_weight: w of the mean.
        bounded: whether the mean is over g of the scores, or over the scores.
    """

    kind: Literal["joint"] = "joint"
    features: MemoryScore = MemoryScore()
    logits: Literal["energy", "max-logit", "max-softmax", "gen"] = "energy"
    combine: Literal["mean", "min"] = "mean"
    logit_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    bounded: bool = True

    def fit_state(self, rows: FitRows) -> State:
        """Return the tensors of the memory score, and the center and scale `(2,)` of both scores."""
        memory, _, of_features = self.features.fit_with_scores(rows)
        of_logits = LOGIT_SCORES[self.logits].score({}, rows.outputs)
        both = [_center_and_scale(of_features), _center_and_scale(of_logits)]
        centers, scales = (torch.stack(values) for values in zip(*both, strict=True))
        return {PREFIX + name: tensor for name, tensor in memory.items()} | {
            "centers": centers,
            "scales": scales,
        }

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        memory = {
            name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)
        }
        both = torch.stack(
            [self.features.score(memory, outputs), LOGIT_SCORES[self.logits].score({}, outputs)]
        )
        standardised = (both - state["centers"][:, None]) / state["scales"][:, None]
        if self.combine == "min":
            return standardised.amin(0)
        if self.bounded:
            standardised = nn.functional.logsigmoid(standardised)
        return (1 - self.logit_weight) * standardised[0] + self.logit_weight * standardised[1]


def _center_and_scale(scores: Tensor) -> tuple[Tensor, Tensor]:
    low, median = torch.quantile(
        scores, torch.tensor([0.05, 0.5], dtype=scores.dtype, device=scores.device)
    ).unbind()
    return median, (median - low).clamp(min=SMALLEST_SCALE)
