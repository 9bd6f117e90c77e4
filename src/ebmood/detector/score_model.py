"""The default score of a table: an energy learnt by denoising, on top of a base density.

1. **Base**: a mixture q of many Gaussians of one shape.
2. **Denoising**: an energy of the data under noise (of several levels, by choice), learnt by denoising score matching
   on top of q under the same noise.
3. **Contrast**, by choice and always with labels: `log p = log q + f`, with f learnt by noise-contrastive estimation
   against q and a widened q.

Each energy becomes a robust z-score over the training rows (median 0, 95th percentile 1.645: the upper tail is what
must be comparable), averaged over the levels of noise; the base counts as an energy too. The score is minus the largest
of them: whichever is most alarmed decides. Columns come in comparable (`ebmood.detector.robust_scaler`), through an arcsinh,
which leaves the middle as it is and takes the weight out of heavy tails.

Outside the training ranges a guard is added that no setting can switch off: it grows with the distance from the
ranges, and its weight is set after the fit so that a row 1,000 ranges away scores below the median training row.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.core.settings import Settings
from ebmood.detector.chunks import PIECE
from ebmood.detector.robust_scaler import Columns
from ebmood.models.anchored import AnchoredEnergy
from ebmood.models.denoising import DenoisingEnergy
from ebmood.models.mixture import SmoothedMixture, TiedMixture
from ebmood.networks import MLP

CEILING = 100.0  # no robust z-score of an energy leaves [-CEILING, CEILING]
MANY = 4  # classes that may have all the components that one has; more share as many
MARGIN = 1.0  # how far outside the training rows networks still look, in standard deviations
FAR = 1000.0  # training ranges after which the guard alone must decide


class EnergySettings(Settings):
    """Every choice of the default energy. The defaults are what ships, for tables of any kind.

    Attributes:
        components: Gaussians of the base, at most; fewer where rows are few. With labels as many for each class, but
            four times as many in all at most.
        floor: smallest variance of the Gaussians along any axis, in units of a standardised column.
        prior: how far their covariance is drawn to a ball of its size, in pseudo-rows per column.
        denoising: whether the denoising energies take part.
        contrast: whether the contrastive energy takes part; with labels it always does, as it alone learns them.
        combine: the energies, the base among them: `largest` (the most alarmed counts) or `mean`.
        sigmas: noise levels of the base and the denoising energies, in standard deviations of a column.
        widen: how many times wider than the base the widened base of the contrast is.
        members: networks trained from different starts and averaged, for each kind of energy.
        hidden: widths of the networks' hidden layers.
        steps, batch_size, lr, weight_decay: of training.
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
    """Raw float64 rows `(N, D)` -> float64 scores `(N,)`; higher is more in-distribution.

    All fitted numbers are parameters or buffers, so `load_state_dict` fits a new model of the same arguments.

    Args:
        settings: what the model was built with.
        features: D.
        classes: number of classes K, 0 without labels.

    Attributes:
        events: one line for every time that the training of a network diverged, went back and on.
    """

    events: tuple[str, ...] = ()

    low: Tensor
    high: Tensor
    z_center: Tensor
    z_scale: Tensor
    guard: Tensor
    _levels: SmoothedMixture
    _per_sigma: Tensor
    _box: tuple[Tensor, Tensor]

    def __init__(self, settings: EnergySettings, features: int, classes: int = 0):
        super().__init__()
        self.settings = settings
        self.features = features
        self.classes = classes
        self.columns = Columns(features)
        each = min(settings.components, math.ceil(MANY * settings.components / max(classes, 1)))
        self.base = TiedMixture(features, each, max(classes, 1))
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

    def settle(self) -> None:
        """Work out what scores need and rows do not change; to be called when the state has changed."""
        sigmas = torch.tensor(self.settings.sigmas, dtype=torch.float64, device=self.guard.device)
        self._levels = self.base.smoothed(
            torch.cat([sigmas, sigmas.new_zeros(1)]) if len(self.contrasts) else sigmas
        )
        self._per_sigma = 1 / sigmas[:, None]
        self._box = self.low.to(torch.float32), self.high.to(torch.float32)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As of any module; settles."""
        answer = super().load_state_dict(*args, **kwargs)
        self.settle()
        return answer

    def _apply(self, *args: Any, **kwargs: Any) -> Self:  # what `to` and its like come to
        super()._apply(*args, **kwargs)
        self.settle()
        return self

    def class_scores(self, x: Tensor) -> Tensor:
        """Log-density of rows and every class, up to one constant: `(N, D) -> (N, K)`."""
        z = self.columns(x)
        joint = self.base.class_log_density(z)
        if len(self.contrasts):
            joint = joint + self._seen(z)["contrast"]
        return joint.to(torch.float64).clamp(min=-1e30)

    def energies(self, x: Tensor) -> Tensor:
        """Energies of preprocessed rows, in nats up to constants: `(N, D)` float32 `-> (E, N)` float64.

        The base by level, the denoising energies by level, the contrastive energy. Parts that are off have none.
        """
        joint = self._levels(x)
        levels = len(self.settings.sigmas)
        found = [joint[:levels].logsumexp(1) if self.classes else joint[:levels, 0]]
        learnt = self._seen(x)
        if len(self.denoisers):
            found.append(found[0] + learnt["denoising"].mT * self._per_sigma)
        if len(self.contrasts):
            found.append((joint[levels] + learnt["contrast"].mT).logsumexp(0, keepdim=True))
        return torch.cat(found).neg_()

    def alarms(self, x: Tensor) -> Tensor:
        """How alarmed each energy is by raw rows: `(N, D) -> (A, N)`; see `names`."""
        z = (self.energies(self.columns(x)) - self.z_center[:, None]) / self.z_scale[:, None]
        levels, contrasts = len(self.settings.sigmas), 1 if len(self.contrasts) else 0
        if levels > 1:
            of_levels = z[: len(z) - contrasts].unflatten(0, (-1, levels)).mean(1)
            z = torch.cat([of_levels, z[len(z) - contrasts :]])
        # Beyond the ceiling in either direction an energy has said all it can; the guard goes on from there.
        return z.clamp(-CEILING, CEILING)

    @property
    def names(self) -> list[str]:
        """Of the energies that `alarms` has."""
        there = {"base": True, "denoising": len(self.denoisers), "contrast": len(self.contrasts)}
        return [name for name, count in there.items() if count]

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        """Scores `(N,)` of each energy alone and of what counts, by name: base, denoising, contrast, combined."""
        alarms, guard = self.alarms(x), self._guard(x)
        found = dict(zip(self.names, alarms, strict=True)) | {"combined": self._combined(alarms)}
        return {name: -alarm - guard for name, alarm in found.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Scores of raw rows: `(N, D) -> (N,)`."""
        return -self._combined(self.alarms(x)) - self._guard(x)

    def _combined(self, alarms: Tensor) -> Tensor:
        return alarms.amax(0) if self.settings.combine == "largest" else alarms.mean(0)

    def _guard(self, x: Tensor) -> Tensor:
        return self.guard * self.columns.excess(x)

    def _network(self, outputs: int) -> MLP:
        network = MLP(self.features, self.settings.hidden, outputs, "silu")
        # It starts at zero: every energy starts as the base itself.
        for parameter in network.layers[-1].parameters():
            nn.init.zeros_(parameter)
        return network

    def _seen(self, x: Tensor) -> dict[str, Tensor]:
        """What networks say, by kind, at the point nearest to `x` in the region they know: far away they know nothing.

        Means over the members: denoising `(N, L)`, contrast `(N, K)`.
        """
        low, high = self._box
        inside = torch.minimum(torch.maximum(x, low), high)
        kinds = {"denoising": self.denoisers, "contrast": self.contrasts}
        return {
            kind: torch.stack([network(inside) for network in networks]).mean(0)
            for kind, networks in kinds.items()
            if len(networks)
        }


def fit_energy(
    x: np.ndarray,
    settings: EnergySettings,
    seed: int,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
    y: np.ndarray | None = None,
    gamma: float = 1.0,
) -> ScoreModel:
    """Fit the default energy.

    Args:
        x: `(N, D)` finite training rows in raw units, N >= 2.
        settings: of the energy.
        seed: of all randomness.
        device: of training; the model comes back on it.
        report: called with (steps done, steps in all) now and then.
        y: `(N,)` class numbers 0..K-1, for a supervised fit.
        gamma: weight of the cross-entropy in a supervised fit.

    Warns:
        RollbackWarning: the training of a network diverged, went back and on.

    Raises:
        DivergedError: that did not help.
    """
    from ebmood.core.seeding import global_torch_stream
    from ebmood.objectives.dsm import MultilevelDenoising
    from ebmood.objectives.nce import NoiseContrastive
    from ebmood.objectives.objective import AdamW, Objective
    from ebmood.objectives.supervision import Supervised
    from ebmood.training.trainer import Progress, Training, make_fabric, train

    classes = 0 if y is None else int(y.max()) + 1
    with global_torch_stream(seed, "weights"):
        model = ScoreModel(settings, x.shape[1], classes)
    model.columns.fit(x)
    z = model.columns(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)))
    model.low.copy_(z.amin(0) - MARGIN)
    model.high.copy_(z.amax(0) + MARGIN)
    model.base.fit(z.numpy().astype(np.float64), y, settings.floor, settings.prior, seed)
    model.settle()

    # Small tables are repeated, so that a batch averages over enough noise.
    times = math.ceil(settings.batch_size / len(z))
    rows = z.repeat(times, 1)
    labels = None if y is None else torch.from_numpy(np.asarray(y, dtype=np.int64)).repeat(times)
    per_epoch = len(rows) // settings.batch_size
    training = Training(
        steps=settings.steps,
        batch_size=settings.batch_size,
        warmup=max(1, settings.steps // 20),
        halve_every=max(1, math.ceil(settings.steps / 6 / per_epoch)),
    )
    optimiser = AdamW(lr=settings.lr, weight_decay=settings.weight_decay)
    objectives: dict[str, Objective] = {
        f"denoising network {number}": MultilevelDenoising(
            DenoisingEnergy(model.base, network, settings.sigmas), optimiser
        )
        for number, network in enumerate(model.denoisers, start=1)
    }
    for number, network in enumerate(model.contrasts, start=1):
        contrast = NoiseContrastive(AnchoredEnergy(model.base, network), settings.widen, optimiser)
        objectives[f"contrastive network {number}"] = contrast if y is None else Supervised(contrast, gamma)
    fabric = make_fabric(device)
    steps = settings.steps * len(objectives)
    for number, (name, objective) in enumerate(objectives.items()):

        def tell(progress: Progress, done: int = number * settings.steps) -> None:
            if report is not None:
                report(done + progress.step, steps)

        own_seed = seed + 1_000_003 * number
        with torch.enable_grad():  # whatever the caller has switched off
            trained = train(objective, rows, labels, training, own_seed, fabric, report=tell, name=name)
        model.events += trained.events
    model.to(device).eval().requires_grad_(False)
    _calibrate(model, torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)).to(device))
    if report is not None:
        report(max(steps, 1), max(steps, 1))
    return model


def _calibrate(model: ScoreModel, x: Tensor) -> None:
    """Set what makes energies comparable, and the guard's weight, from training rows `(N, D)`."""
    with torch.no_grad():
        energies = torch.cat([model.energies(model.columns(rows)) for rows in x.split(PIECE)], dim=1)
        middle, high = np.quantile(energies.cpu().numpy(), [0.5, 0.95], axis=1)
        model.z_center.copy_(torch.from_numpy(middle))
        model.z_scale.copy_(torch.from_numpy(np.maximum((high - middle) / 1.645, 1e-2)))
        median = float(torch.cat([model(rows) for rows in x.split(PIECE)]).median())
        # At FAR ranges the energies may say -CEILING at the least; the guard must outweigh that.
        model.guard.copy_(torch.tensor(max(1.0, (CEILING - median + 1) / (FAR - 2))))
