"""ODIN: maximum softmax probability at a high temperature, after a step of the input towards the predicted class.

    x' = x + e sign(grad_x log p_T(y* | x)),    y* = argmax_y f_y(x)
    S(x) = max_y log p_T(y | x'),    p_T(y | x) = exp(f_y(x) / T) / sum_k exp(f_k(x) / T)

Liang, Li & Srikant 2018, "Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks",
Equations 1 and 2. T = 1000 as in the paper. The paper chooses e on out-of-distribution rows. Here e is the candidate
with the largest mean of `max_y p_T(y | x')` over in-distribution rows: Hsu et al. 2020, "Generalized ODIN: Detecting
Out-of-distribution Image without Learning from Out-of-distribution Data", Section 3. The candidates are those of that
paper, in units of the standard deviation of all input values; e is stored in units of the input.
"""

from typing import Literal, Self

import torch
from torch import Tensor

from ebmood.core.errors import InputError
from ebmood.core.settings import NonNegative, Positive
from ebmood.scores.max_softmax import max_log_softmax
from ebmood.scores.score import FitRows, InputScore, Network, Outputs, State

CANDIDATES = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
"""Steps of Hsu et al. 2020, Section 4."""

CHUNK_INPUTS = 64
"""Inputs in a pass through the network while the step is chosen."""


class Odin(InputScore):
    """ODIN.

    Attributes:
        temperature: T.
        step: e, in units of the input; None for the rule.
    """

    kind: Literal["odin"] = "odin"
    temperature: Positive = 1000.0
    step: NonNegative | None = None

    def resolve(self, network: Network, x: Tensor) -> Self:
        """Return the settings with a step that is chosen by in-distribution inputs `(N, *shape)`.

        Raises:
            InputError: the inputs are not floating-point numbers, or do not vary.
        """
        if self.step is not None:
            return self
        if not x.is_floating_point():
            raise InputError(f"X: score 'odin' changes the inputs, which are {x.dtype}; give another score")
        scale = float(x.double().std())
        if not scale > 0:
            raise InputError("X: all input values are equal, so score 'odin' finds no step; give step=")
        sums = [0.0] * len(CANDIDATES)
        for part in x.split(CHUNK_INPUTS):
            direction = self.direction(network, part)
            with torch.no_grad():
                for k, step in enumerate(CANDIDATES):
                    moved = network(part + scale * step * direction)
                    sums[k] += float(self._log_probability(moved.double()).exp().sum())
        return self.updated(step=scale * CANDIDATES[sums.index(max(sums))])

    def perturb(self, network: Network, x: Tensor) -> Tensor:
        """Return inputs after the step: `(N, *shape)` to `(N, *shape)`."""
        if self.step is None:
            raise InputError("step: is not set; call resolve(network, x) with in-distribution inputs first")
        return x + self.step * self.direction(network, x)

    def direction(self, network: Network, x: Tensor) -> Tensor:
        """Return the sign of the gradient of the log-probability of the predicted class, as `x`."""
        with torch.enable_grad():
            inputs = x.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self._log_probability(network(inputs)).sum(), inputs)
        return gradient.sign()

    def fit_state(self, rows: FitRows) -> State:
        """Return no tensors."""
        return {}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`, from the outputs for inputs after the step."""
        return self._log_probability(outputs.logits)

    def _log_probability(self, logits: Tensor) -> Tensor:
        return max_log_softmax(logits / self.temperature)
