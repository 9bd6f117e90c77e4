"""Energy of the logits.

    S(x) = -E(x) = T log sum_k exp(f_k(x) / T)

Liu et al. 2020, "Energy-based Out-of-distribution Detection", Equation 4. The paper uses T = 1 as well, and finds that
larger values are worse (Section 4.2).
"""

from typing import Literal

from torch import Tensor

from ebmood.core.settings import Positive
from ebmood.scores.score import FitRows, Outputs, Score, State


class Energy(Score):
    """Minus the energy of the logits.

    Attributes:
        temperature: T.
    """

    kind: Literal["energy"] = "energy"
    temperature: Positive = 1.0

    def fit_state(self, rows: FitRows) -> State:
        """Return no tensors."""
        return {}

    def score(self, state: State, outputs: Outputs) -> Tensor:
        """Return the scores of rows, `(N,)`."""
        return self.temperature * (outputs.logits / self.temperature).logsumexp(1)
