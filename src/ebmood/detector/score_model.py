"""The default score of a table: energies of a base density and of networks on top of it.

1. **Base**: a mixture q of many Gaussians with one covariance matrix.
2. **Denoising energies**: energies of the data under noise, at one or more noise levels. A network learns the
   difference to q under the same noise, by denoising score matching.
3. **Contrastive energy** (optional, and always used with labels): `log p = log q + f`, where noise-contrastive
   estimation learns f against samples of q and of a widened q.

Each energy is converted to a robust z-score over the training rows: the median becomes 0 and the 95th percentile 1.645,
because the upper tails must be comparable. The z-scores of one kind are averaged over its noise levels. The score of a
row is minus the largest z-score, so the energy that finds the row most anomalous decides. Columns are scaled first
(`ebmood.detector.robust_scaler`).

Outside the training ranges a guard is added, which no setting can disable. It grows with the distance from the ranges.
Its weight is set after the fit so that a row 1,000 ranges away scores below the median training row.
"""

import math
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.core.settings import Settings
from ebmood.detector.robust_scaler import RobustScaler
from ebmood.models.mixture import SmoothedMixture, TiedMixture
from ebmood.networks import MLP

MAX_Z_SCORE = 100.0
"""Robust z-scores of energies are clipped to plus and minus this value."""

CLASS_BUDGET = 4
"""All classes together have at most this many times the components of a fit without labels."""


class EnergySettings(Settings):
    """Settings of the default energy. The default values are intended for tables of any kind.

    Attributes:
        components: maximum number of Gaussians of the base; fewer are used for few rows. With labels it applies to
            each class, with four times as many in total at most.
        floor: smallest variance of the Gaussians along any axis, in units of a scaled column.
        prior: strength of the shrinkage of their covariance towards a multiple of the identity, in pseudo-rows per
            column.
        denoising: whether to use the denoising energies.
        contrast: whether to use the contrastive energy. With labels it is always used, because it learns the classes.
        combine: how the z-scores of the energies, including the base, are combined: `largest` or `mean`.
        sigmas: noise levels of the base and of the denoising energies, in standard deviations of a column.
        widen: factor by which the widened base of the contrastive energy is wider than the base.
        members: number of networks for each kind of energy. They start from different weights and are averaged.
        hidden: widths of the hidden layers of the networks.
        steps: training steps of each network.
        batch_size: rows in a training batch.
        lr: learning rate.
        weight_decay: weight decay.
    """

    components: int = Field(default=192, ge=1)
    floor: float = Field(default=0.01, gt=0)
    prior: float = Field(default=32.0, ge=0)
    denoising: bool = True
    contrast: bool = False
    combine: Literal["largest", "mean"] = "largest"
    sigmas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.15,), min_length=1)
    widen: float = Field(default=2.0, gt=1)
    members: int = Field(default=1, ge=1)
    hidden: tuple[int, ...] = (64,)
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=256, ge=2)
    lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)


class ScoreModel(nn.Module):
    """Map raw float64 rows `(N, D)` to float64 scores `(N,)`. Higher is more in-distribution.

    All fitted numbers are parameters or buffers, so `load_state_dict` restores a fitted model. Their names, including
    the attribute name `columns` of the scaler, are part of the format of saved detectors.

    Args:
        settings: the settings of the energy.
        features: D.
        classes: number of classes K; 0 without labels.

    Attributes:
        events: one line for each rollback during training.
    """

    events: tuple[str, ...] = ()

    low: Tensor
    high: Tensor
    z_center: Tensor
    z_scale: Tensor
    guard: Tensor
    _smoothed_base: SmoothedMixture
    _inverse_sigmas: Tensor
    _network_range: tuple[Tensor, Tensor]

    def __init__(self, settings: EnergySettings, features: int, classes: int = 0):
        super().__init__()
        self.settings = settings
        self.features = features
        self.classes = classes
        self.columns = RobustScaler(features)
        components = min(settings.components, math.ceil(CLASS_BUDGET * settings.components / max(classes, 1)))
        self.base = TiedMixture(features, components, max(classes, 1))
        levels, members = len(settings.sigmas), range(settings.members)
        contrast = settings.contrast or classes > 0
        self.denoisers = nn.ModuleList(self._network(levels) for _ in members if settings.denoising)
        self.contrasts = nn.ModuleList(self._network(max(classes, 1)) for _ in members if contrast)
        energies = levels + (levels if settings.denoising else 0) + (1 if contrast else 0)
        self.register_buffer("low", torch.full((features,), -1.0, dtype=torch.float64))
        self.register_buffer("high", torch.ones(features, dtype=torch.float64))
        self.register_buffer("z_center", torch.zeros(energies, dtype=torch.float64))
        self.register_buffer("z_scale", torch.ones(energies, dtype=torch.float64))
        self.register_buffer("guard", torch.ones((), dtype=torch.float64))

    def refresh_cache(self) -> None:
        """Recompute values that depend on the state and not on rows. Call this after any change of the state."""
        sigmas = torch.tensor(self.settings.sigmas, dtype=torch.float64, device=self.guard.device)
        self._smoothed_base = self.base.smoothed(
            torch.cat([sigmas, sigmas.new_zeros(1)]) if len(self.contrasts) else sigmas
        )
        self._inverse_sigmas = 1 / sigmas[:, None]
        self._network_range = self.low.to(torch.float32), self.high.to(torch.float32)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load a state as `nn.Module.load_state_dict` does, and refresh the cache."""
        keys = super().load_state_dict(*args, **kwargs)
        self.refresh_cache()
        return keys

    def _apply(self, *args: Any, **kwargs: Any) -> Self:  # torch calls this in `to`, `cpu` and `cuda`
        super()._apply(*args, **kwargs)
        self.refresh_cache()
        return self

    def class_scores(self, x: Tensor) -> Tensor:
        """Return `log p(x, y)` of raw rows for every class, up to one constant: `(N, D)` to `(N, K)`."""
        z = self.columns(x)
        joint = self.base.class_log_density(z)
        if len(self.contrasts):
            joint = joint + self._network_outputs(z)["contrast"]
        return joint.to(torch.float64).clamp(min=-1e30)

    def energies(self, x: Tensor) -> Tensor:
        """Return the energies of scaled rows, in nats up to constants: `(N, D)` float32 to `(E, N)` float64.

        The order is: base at each level, denoising energies at each level, contrastive energy. Disabled energies are
        left out.
        """
        joint = self._smoothed_base(x)
        levels = len(self.settings.sigmas)
        log_densities = [joint[:levels].logsumexp(1) if self.classes else joint[:levels, 0]]
        outputs = self._network_outputs(x)
        if len(self.denoisers):
            log_densities.append(log_densities[0] + outputs["denoising"].mT * self._inverse_sigmas)
        if len(self.contrasts):
            log_densities.append((joint[levels] + outputs["contrast"].mT).logsumexp(0, keepdim=True))
        return torch.cat(log_densities).neg_()

    def z_scores(self, x: Tensor) -> Tensor:
        """Return the robust z-scores of raw rows for each kind of energy in `energy_names`: `(N, D)` to `(A, N)`."""
        z = (self.energies(self.columns(x)) - self.z_center[:, None]) / self.z_scale[:, None]
        levels, contrasts = len(self.settings.sigmas), 1 if len(self.contrasts) else 0
        if levels > 1:
            level_means = z[: len(z) - contrasts].unflatten(0, (-1, levels)).mean(1)
            z = torch.cat([level_means, z[len(z) - contrasts :]])
        # Beyond the maximum only the guard still changes the score.
        return z.clamp(-MAX_Z_SCORE, MAX_Z_SCORE)

    @property
    def energy_names(self) -> list[str]:
        """The kinds of energies that are used, in the order of `z_scores`: `base`, `denoising`, `contrast`."""
        counts = {"base": 1, "denoising": len(self.denoisers), "contrast": len(self.contrasts)}
        return [name for name, count in counts.items() if count]

    def component_scores(self, x: Tensor) -> dict[str, Tensor]:
        """Return the scores `(N,)` that each kind of energy gives alone, by name, and the final score as `combined`."""
        z, guard = self.z_scores(x), self._guard(x)
        by_name = dict(zip(self.energy_names, z, strict=True)) | {"combined": self._combine(z)}
        return {name: -z_score - guard for name, z_score in by_name.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of raw rows: `(N, D)` to `(N,)`."""
        return -self._combine(self.z_scores(x)) - self._guard(x)

    def _combine(self, z_scores: Tensor) -> Tensor:
        return z_scores.amax(0) if self.settings.combine == "largest" else z_scores.mean(0)

    def _guard(self, x: Tensor) -> Tensor:
        return self.guard * self.columns.excess(x)

    def _network(self, outputs: int) -> MLP:
        """Return a network whose output is zero at the start, so that its energy starts as the base."""
        network = MLP(self.features, self.settings.hidden, outputs, "silu")
        for parameter in network.layers[-1].parameters():
            nn.init.zeros_(parameter)
        return network

    def _network_outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return outputs by kind, means over members: `denoising` `(N, L)`, `contrast` `(N, K)`.

        Rows are clipped to the region of the training rows, because a network is arbitrary elsewhere.
        """
        low, high = self._network_range
        clipped = torch.minimum(torch.maximum(x, low), high)
        kinds = {"denoising": self.denoisers, "contrast": self.contrasts}
        return {
            kind: torch.stack([network(clipped) for network in networks]).mean(0)
            for kind, networks in kinds.items()
            if len(networks)
        }
