"""The radial flow of the paper.

(Rezende & Mohamed 2015, "Variational inference with normalizing flows", eq. 14.)

Each layer moves points along the ray from a learnt centre z0:

    f(z) = z + beta h(r) (z - z0),    r = |z - z0|,   h(r) = 1 / (alpha + r)
    log |det df/dz| = (D - 1) log(1 + beta h) + log(1 + beta h + beta h'(r) r),   h'(r) = -1 / (alpha + r)^2

with alpha > 0 and beta >= -alpha, which keeps every layer invertible (appendix A.2). The layers run from the
data to the base, `log p(x) = log N(f_L(...f_1(x)); 0, I) + sum of log-determinants`, so that the density is
exact in one pass.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ebmood.datasets.dataset import Split
from ebmood.models.density import DensityModel, ModelSettings
from ebmood.models.radial_compiled import CompiledLayers, pays


class RadialFlow(DensityModel):
    """A stack of radial layers over a standard normal base.

    The layers' parameters stand in three tensors, `centre` `(L, D)`, `raw_alpha` and `raw_beta` `(L,)`, and the
    logarithms of all layers are taken at once: half of the time of layer by layer.

    Args:
        features: D.
        layers: L.
        compiled: see `Radial`. Compiled layers are for training; in evaluation mode all is eager.
    """

    normalised = True

    def __init__(self, features: int, layers: int, compiled: bool | None = None):
        super().__init__()
        self.compiled = compiled
        self._compiled_layers: CompiledLayers | None = None
        bound = 1 / math.sqrt(features)
        drawn = [torch.empty(features + 2).uniform_(-bound, bound) for _ in range(layers)]
        start = torch.stack(drawn)
        self.centre = nn.Parameter(start[:, :-2].clone())
        self.raw_alpha = nn.Parameter(start[:, -2].clone())
        self.raw_beta = nn.Parameter(start[:, -1].clone())

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, D) -> (N, D), (N,)`: base points, and the log-determinant of the whole Jacobian."""
        alpha = softplus(self.raw_alpha)
        beta = softplus(self.raw_beta) - alpha
        compiled = self._compiled_layers if self.training else None
        if compiled is not None and compiled.fit(x, self.centre):
            return compiled(x, self.centre, alpha, beta)
        pulls = []
        for centre, a, b in zip(self.centre, alpha, beta, strict=True):
            away = x - centre
            h = 1 / (a + torch.linalg.vector_norm(away, dim=1, keepdim=True))
            x = torch.addcmul(x, b * h, away)
            pulls.append(h)
        h = torch.cat(pulls, dim=1)
        stretch = beta * h
        # 1 + beta h + beta h'(r) r = 1 + alpha beta h^2, since h' = -h^2 and 1 - h r = alpha h.
        log_det = (x.shape[1] - 1) * stretch.log1p() + (alpha * stretch * h).log1p()
        return x, log_det.sum(1)

    def expect(self, passes: int, rows: int) -> None:
        """See `DensityModel.expect`: the layers are compiled where that is chosen, or pays and is not barred."""
        layers, features = self.centre.shape
        chosen = pays(passes, layers, rows * features) if self.compiled is None else self.compiled
        self._compiled_layers = (
            CompiledLayers.found(self.centre.dtype) if chosen and not self.centre.is_cuda else None
        )

    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x)` in nats: `(N, D) -> (N,)`."""
        z, log_det = self.transform(x)
        return log_det - 0.5 * z.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


class Radial(ModelSettings):
    """Settings of the radial flow; the paper's has 20 layers.

    Attributes:
        layers: how many.
        compiled: whether training on a CPU uses compiled layers (docs/performance.md): three times as fast, the same
            but for rounding, eager where no C++ compiler is found. None: where compiling costs less than it saves.
    """

    kind: Literal["radial"] = "radial"
    layers: int = 20
    compiled: bool | None = None

    def build(self, split: Split, outputs: int) -> RadialFlow:
        """See `ModelSettings.build`."""
        return RadialFlow(split.train_x.shape[1], self.layers, self.compiled)
