"""The default score of a table: two learnt energies on top of one base density.

1. **Base**: a Gaussian mixture q.
2. **Denoising**: energies of the data at ten levels of noise, learnt by denoising score matching on top of q under the
   same noise, and averaged over the levels.
3. **Contrast**: `log p = log q + f`, with f learnt by noise-contrastive estimation against q and a widened q.

Each energy becomes a robust z-score over the training rows (median 0, 95th percentile 1.645: the upper tail is what
must be comparable), and the score is minus their mean. Columns come in standardised through an arcsinh, which leaves
the middle as it is and takes the weight out of heavy tails.

Outside the training ranges a guard is added that no setting can switch off: it grows with the distance from the
ranges, and its weight is set after the fit so that a row 1,000 ranges away scores below the median training row.
"""

import math
from collections.abc import Callable
from typing import Literal, Self, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from ebmood.models.anchored import AnchoredEnergy
from ebmood.models.denoising import DenoisingEnergy
from ebmood.models.mixture import GaussianMixture, over_classes
from ebmood.networks import MLP
from ebmood.networks.together import mean_logits
from ebmood.settings import Settings

HUGE = 1e300  # values beyond count as this
WIDEST = 1e15  # standardised values are clipped here, so that a row at 1e300 still has a finite score
REACH = 3.0  # how far beyond the bulk of a column a value still counts in its scale, in widths of the bulk
BEND = 3.0  # standard deviations from which on the arcsinh bends columns noticeably
BASE_WORK = (
    40_000  # multiplications that the base may take for a row and class; beyond, it has fewer Gaussians
)
CEILING = 100.0  # no robust z-score of an energy leaves [-CEILING, CEILING]
MARGIN = 1.0  # how far outside the training rows networks still look, in standard deviations
FAR = 1000.0  # training ranges after which the guard alone must decide


class EnergySettings(Settings):
    """Every choice of the default energy. The defaults are what ships, for tables of any kind.

    Attributes:
        components: Gaussians of the base, at most; fewer where rows are few or columns many.
        floor: smallest variance of a component along any axis, in units of a standardised column.
        prior: how far components' covariances are drawn together, in pseudo-rows per column.
        denoising: whether the denoising energies take part.
        contrast: whether the contrastive energy takes part.
        combine: `mean`, or `largest` (the most alarmed counts), over noise levels and then over the two energies.
        sigmas: noise levels of the denoising energies, in standard deviations of a column.
        widen: how many times wider than the base the widened base of the contrast is.
        members: networks trained from different starts and averaged, for each kind of energy.
        hidden: widths of the networks' hidden layers.
        steps, batch_size, lr, weight_decay: of training.
    """

    components: int = Field(default=32, ge=1)
    floor: float = Field(default=0.01, gt=0)
    prior: float = Field(default=0.5, ge=0)
    denoising: bool = True
    contrast: bool = True
    combine: Literal["largest", "mean"] = "mean"
    sigmas: tuple[float, ...] = tuple(round(0.05 * 40 ** (k / 9), 3) for k in range(10))
    widen: float = Field(default=2.0, gt=1)
    members: int = Field(default=2, ge=1)
    hidden: tuple[int, ...] = (96, 96)
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=256, ge=2)
    lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)


class Columns(nn.Module):
    """Raw columns -> columns of about unit spread with light tails, and how far rows lie outside the ranges."""

    center: Tensor
    scale: Tensor
    mean: Tensor
    spread: Tensor
    middle: Tensor
    extent: Tensor

    def __init__(self, features: int):
        super().__init__()
        for name, value in {
            "center": 0,
            "scale": 1,
            "mean": 0,
            "spread": 1,
            "middle": 0,
            "extent": 1,
        }.items():
            self.register_buffer(name, torch.full((features,), float(value), dtype=torch.float64))

    def fit(self, x: np.ndarray) -> Self:
        """Take everything from training rows `(N, D)`."""
        x = np.clip(x, -HUGE, HUGE)
        median = np.median(x, axis=0)
        lowest, low, high, highest = np.quantile(x, [0, 0.01, 0.99, 1], axis=0)
        # A few values far out must not decide on the scale. Columns that are nearly always one value have no bulk.
        reach = np.where(high > low, REACH * (high - low), HUGE)
        inner = np.clip(x, low - reach, high + reach) - median
        size = np.maximum(np.abs(inner).max(axis=0), 1e-290)
        center = (inner / size).mean(axis=0) * size + median
        scale = (inner / size).std(axis=0) * size
        # A column that never moved counts as if one row in N had moved by its own size.
        tiny = np.maximum(np.abs(median) * 1e-12, 1e-290)
        never = np.maximum(np.abs(median), 1.0) / math.sqrt(len(x))
        moved = highest - lowest > tiny
        self._take(center=center, scale=np.where(moved, np.maximum(scale, tiny), never))
        self._take(middle=lowest / 2 + highest / 2, extent=np.where(moved, highest - lowest, never))
        bent = self._bent(torch.from_numpy(inner + median)).numpy()
        spread = bent.std(axis=0)
        self._take(mean=bent.mean(axis=0), spread=np.where(spread > 1e-9, spread, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """`(N, D) -> (N, D)`, each column monotone."""
        return (self._bent(x) - self.mean) / self.spread

    def excess(self, x: Tensor) -> Tensor:
        """Training ranges by which a row lies outside, summed over columns: `(N, D) -> (N,)`.

        A column counts from one range off its middle, so that rows a little outside are left to the energies.
        """
        ranges = ((x.clamp(-HUGE, HUGE) - self.middle) / self.extent).abs().clamp(max=WIDEST)
        return (ranges - 1).clamp(min=0).sum(1)

    def _bent(self, x: Tensor) -> Tensor:
        u = ((x.clamp(-HUGE, HUGE) - self.center) / self.scale).clamp(-WIDEST, WIDEST) / BEND
        # arcsinh by hand: its ONNX operator knows no float64.
        return BEND * torch.sign(u) * torch.log(u.abs() + torch.sqrt(u.square() + 1))

    def _take(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            getattr(self, name).copy_(torch.from_numpy(np.asarray(value, dtype=np.float64)))


class ScoreModel(nn.Module):
    """Raw float64 rows `(N, D)` -> float64 scores `(N,)`; higher is more in-distribution.

    All fitted numbers are parameters or buffers, so `blank(...)` and `load_state_dict` rebuild a fitted model.

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

    def __init__(self, settings: EnergySettings, features: int, classes: int = 0):
        super().__init__()
        self.settings = settings
        self.features = features
        self.classes = classes
        self.columns = Columns(features)
        components = min(settings.components, max(4, BASE_WORK // features**2))
        self.base = GaussianMixture(features, components, max(classes, 1))
        levels = len(settings.sigmas)
        members = range(settings.members)
        self.denoisers = nn.ModuleList(self._network(levels) for _ in members if settings.denoising)
        self.contrasts = nn.ModuleList(self._network(max(classes, 1)) for _ in members if settings.contrast)
        energies = 1 + (levels if settings.denoising else 0) + (1 if settings.contrast else 0)
        self.register_buffer("low", torch.full((features,), -1.0, dtype=torch.float64))
        self.register_buffer("high", torch.ones(features, dtype=torch.float64))
        self.register_buffer("z_center", torch.zeros(energies, dtype=torch.float64))
        self.register_buffer("z_scale", torch.ones(energies, dtype=torch.float64))
        self.register_buffer("guard", torch.ones((), dtype=torch.float64))

    @classmethod
    def blank(cls, settings: EnergySettings, features: int, classes: int = 0) -> Self:
        """A model of the right shape whose state is still to be loaded."""
        return cls(settings, features, classes)

    def class_scores(self, x: Tensor) -> Tensor:
        """Log-density of rows and every class, up to one constant: `(N, D) -> (N, K)`."""
        z = self.columns(x)
        joint = self.base.class_log_density(z)
        if len(self.contrasts):
            joint = joint + self._seen(z)["contrast"]
        return joint.clamp(min=-1e30)

    def energies(self, x: Tensor) -> Tensor:
        """Energies of preprocessed rows, in nats up to constants: `(N, D) -> (N, 1 + L + 1)`.

        Columns: the base; the denoising energies by level; the contrastive energy. Parts that are off have none.
        """
        sigmas = [*self.settings.sigmas] if len(self.denoisers) else []
        # One pass through the base: without noise, and at every level.
        joint = self.base.joint(x, torch.tensor([0.0, *sigmas], dtype=x.dtype, device=x.device))
        smoothed = over_classes(joint)
        columns = [smoothed[:, :1]]
        learnt = self._seen(x)
        if len(self.denoisers):
            noise = torch.tensor(sigmas, dtype=x.dtype, device=x.device)
            columns.append(smoothed[:, 1:] + learnt["denoising"] / noise)
        if len(self.contrasts):
            columns.append(torch.logsumexp(joint[:, :, 0] + learnt["contrast"], dim=1, keepdim=True))
        return -torch.cat(columns, dim=1)

    def parts(self, x: Tensor) -> dict[str, Tensor]:
        """Scores `(N,)` of each energy alone and of what counts, by name: base, denoising, contrast, combined."""
        z = (self.energies(self.columns(x)) - self.z_center) / self.z_scale
        # Beyond the ceiling in either direction an energy has said all it can; the guard goes on from there.
        alarms = {"base": z[:, 0].clamp(-CEILING, CEILING)}
        if len(self.denoisers):
            alarms["denoising"] = self._combined(z[:, 1 : 1 + len(self.settings.sigmas)].T).clamp(
                -CEILING, CEILING
            )
        if len(self.contrasts):
            alarms["contrast"] = z[:, -1].clamp(-CEILING, CEILING)
        # The learnt energies hold the base within them; it speaks for itself only where there are none.
        learnt = [alarm for name, alarm in alarms.items() if name != "base"] or [alarms["base"]]
        alarms["combined"] = self._combined(torch.stack(learnt))
        guard = self.guard * self.columns.excess(x)
        return {name: -alarm - guard for name, alarm in alarms.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Scores of raw rows: `(N, D) -> (N,)`."""
        return self.parts(x)["combined"]

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
        inside = torch.minimum(torch.maximum(x, self.low), self.high).to(torch.float32)
        kinds = {"denoising": self.denoisers, "contrast": self.contrasts}
        there = {
            kind: [cast(MLP, each) for each in networks] for kind, networks in kinds.items() if len(networks)
        }
        means = mean_logits(list(there.values()), inside)
        return {kind: mean.to(x.dtype) for kind, mean in zip(there, means, strict=True)}

    def _combined(self, alarms: Tensor) -> Tensor:
        return alarms.amax(0) if self.settings.combine == "largest" else alarms.mean(0)


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
        HealedWarning: the training of a network diverged, went back and on.

    Raises:
        DivergedError: that did not help.
    """
    from ebmood.objectives.dsm import DenoisingScoreMatching
    from ebmood.objectives.nce import NoiseContrastive
    from ebmood.objectives.objective import AdamW, Objective
    from ebmood.objectives.supervision import Supervised
    from ebmood.seeding import global_torch_stream
    from ebmood.training.trainer import Progress, Training, make_fabric, train

    classes = 0 if y is None else int(y.max()) + 1
    with global_torch_stream(seed, "weights"):
        model = ScoreModel(settings, x.shape[1], classes)
    model.columns.fit(x)
    z = model.columns(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)))
    model.low.copy_(z.amin(0) - MARGIN)
    model.high.copy_(z.amax(0) + MARGIN)
    model.base.fit(z.numpy(), y, settings.floor, settings.prior, seed)

    # Small tables are repeated, so that a batch averages over enough noise.
    times = math.ceil(settings.batch_size / len(z))
    rows = z.to(torch.float32).repeat(times, 1)
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
        f"denoising network {number}": DenoisingScoreMatching(
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
        energies = torch.cat([model.energies(model.columns(rows)) for rows in x.split(4096)])
        middle, high = np.quantile(energies.cpu().numpy(), [0.5, 0.95], axis=0)
        model.z_center.copy_(torch.from_numpy(middle))
        model.z_scale.copy_(torch.from_numpy(np.maximum((high - middle) / 1.645, 1e-2)))
        median = float(torch.cat([model(rows) for rows in x.split(4096)]).median())
        # At FAR ranges the energies may say -CEILING at the least; the guard must outweigh that.
        model.guard.copy_(torch.tensor(max(1.0, (CEILING - median + 1) / (FAR - 2))))
