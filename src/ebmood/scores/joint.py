"""The joint energy of logits and features.

    S(x) = mean over parts p of g(s_p(x)),        g(s) = -log(1 + exp(-s))

The parts are a score of the logits, and the memory score of the features (`ebmood.scores.memory`) in several spaces.
Each part is standardised on in-distribution rows, without any other rows: (score - median) / (median - 5th percentile),
so that 0 is a typical row and -1 the start of the strangest 5 %. The memory scores of in-distribution rows are
leave-one-out scores. All parts have the same weight.

Features of unit length tell classes apart best, but say nothing of inputs that are far from all others; whitened
features keep the norm. g is bounded above: a network with ReLU has large logits far from all rows, and without g they
would outweigh features that are unlike all rows. docs/results/features.md compares other weights and parts: the choice
matters little.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.scores.energy import Energy
from ebmood.scores.gen import GEN
from ebmood.scores.max_logit import MaxLogit
from ebmood.scores.max_softmax import MaxSoftmax
from ebmood.scores.memory import SMALLEST_SCALE, MemoryScore, Space
from ebmood.scores.score import FitRows, Outputs, Score, State

LOGIT_SCORES: dict[str, Score] = {
    "energy": Energy(),
    "max-logit": MaxLogit(),
    "max-softmax": MaxSoftmax(),
    "gen": GEN(),
}


class JointEnergy(Score):
    """The mean of bounded scores: the memory score of the features in several spaces, and a score of the logits.

    Attributes:
        spaces: the spaces of the memory scores.
        memory: the other settings of the memory scores.
        logits: the score of the logits, with its default settings.
    """

    kind: Literal["joint"] = "joint"
    spaces: Annotated[tuple[Space, ...], Field(min_length=1)] = ("normalised", "whitened")
    memory: MemoryScore = MemoryScore()
    logits: Literal["energy", "max-logit", "max-softmax", "gen"] = "energy"

    def fit_state(self, rows: FitRows) -> State:
        """Return the tensors of the memory scores, and the center and scale of each part, `(P,)`."""
        state: State = {}
        parts = [_center_and_scale(LOGIT_SCORES[self.logits].score({}, rows.outputs))]
        for name, score in self._memory_scores().items():
            memory, _, scores = score.fit_with_scores(rows)
            state |= {name + tensor_name: tensor for tensor_name, tensor in memory.items()}
            parts.append(_center_and_scale(scores))
        centers, scales = (torch.stack(values) for values in zip(*parts, strict=True))
        return state | {"centers": centers, "scales": scales}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        parts = [LOGIT_SCORES[self.logits].score({}, outputs)]
        for name, score in self._memory_scores().items():
            memory = {
                tensor_name.removeprefix(name): tensor
                for tensor_name, tensor in state.items()
                if tensor_name.startswith(name)
            }
            parts.append(score.score(memory, outputs))
        standardised = (torch.stack(parts) - state["centers"][:, None]) / state["scales"][:, None]
        return nn.functional.logsigmoid(standardised).mean(0)

    def _memory_scores(self) -> dict[str, MemoryScore]:
        """Return the memory score of each space, by the prefix of its tensors."""
        return {f"space{i}_": self.memory.updated(space=space) for i, space in enumerate(self.spaces)}


def _center_and_scale(scores: Tensor) -> tuple[Tensor, Tensor]:
    low, median = torch.quantile(
        scores, torch.tensor([0.05, 0.5], dtype=scores.dtype, device=scores.device)
    ).unbind()
    return median, (median - low).clamp(min=SMALLEST_SCALE)
