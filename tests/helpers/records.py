"""Synthetic records for tests."""

import numpy as np

from ebmood.study.records import Landscape, OODResult, Rays, Record

TITLES = {
    "ssm": "SSM",
    "cd": "CD",
    "vera": "VERA",
    "radial": "Radial flow",
    "spline": "Spline flow",
    "realnvp": "RealNVP",
    "glow": "Glow",
}
FAMILIES = {"ssm": "energy", "cd": "energy", "vera": "energy", "radial": "flow", "spline": "flow"}
SETS = {"sky": "natural", "uniform": "non-natural", "gaussian": "non-natural", "constant": "non-natural"}


def made_result(name: str, aupr_id: float, aupr_ood: float | None = None, **changes) -> OODResult:
    """A result on one set; AUROC and FPR95 are derived from `aupr_id`."""
    values = {
        "name": name,
        "kind": SETS.get(name, "natural"),
        "rows": 66,
        "aupr_id": aupr_id,
        "aupr_ood": aupr_id / 2 if aupr_ood is None else aupr_ood,
        "auroc": aupr_id,
        "fpr95": 1 - aupr_id,
    }
    return OODResult.model_validate(values | changes)


def made_record(
    method: str = "ssm", seed: int = 0, score: float | dict[str, float] = 0.8, **changes
) -> Record:
    """A done record whose AUC-PR (ID +) is `score` on every set, or on each set by name."""
    scores = score if isinstance(score, dict) else dict.fromkeys(SETS, score)
    values = {
        "key": f"{method}-{seed}",
        "dataset": "segment",
        "dataset_digest": "d" * 16,
        "duplicates": "together",
        "method": method,
        "title": TITLES.get(method, method),
        "family": FAMILIES.get(method, "baseline"),
        "variant": "both" if method not in ("ssm", "vera") else "corrected",
        "gamma": None,
        "seed": seed,
        "selection": "last",
        "shortened": False,
        "degenerate": None,
        "normalised": method in ("radial", "spline"),
        "status": "done",
        "results": [made_result(name, value) for name, value in scores.items()],
        "rows": {"train": 1584, "validation": 198, "test": 198, "duplicates": 194, "crossing": 0},
        "versions": {"ebmood": "0.1.0", "torch": "2.4.0"},
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
    }
    return Record.model_validate(values | changes)


def failed_record(
    method: str = "ssm", seed: int = 0, reason: str = "loss is not finite at step 7", **changes
) -> Record:
    """A failed record."""
    return made_record(method, seed, **({"status": "failed", "reason": reason, "results": ()} | changes))


def nudged(record: Record, score: float | dict[str, float], **changes) -> Record:
    """The record of the nudged twin of a cell."""
    twin = made_record(record.method, record.seed, score, gamma=record.gamma, variant=record.variant)
    changes = {"key": f"{record.key}-nudged", "twin_of": record.key, "settings": record.settings} | changes
    return twin.updated(**changes)


def seeds(count: int, method: str, scores: float | list[float] = 0.8, **changes) -> list[Record]:
    """Records of seeds 0 to `count` - 1; `scores` is one number, or one for each seed."""
    values = scores if isinstance(scores, list) else [scores] * count
    return [made_record(method, seed, values[seed], **changes) for seed in range(count)]


def with_pictures(record: Record, steepness: float = 1.0) -> Record:
    """The record with scores, rays and a landscape of a made-up Gaussian-like density."""
    rng = np.random.default_rng(record.seed)
    draws = {"id": rng.normal(0, 2, 400)}
    draws |= {result.name: rng.normal(-8 * result.auroc, 4, 400) for result in record.results}
    distance = np.geomspace(0.05, 20, 30)
    median = -steepness * distance**1.5
    x = np.linspace(-2, 3, 40)
    value = -steepness * (x[None, :] ** 2 + (x[:, None] - x[None, :] ** 2) ** 2)
    return record.updated(
        scores={name: tuple(values.tolist()) for name, values in draws.items()},
        rays=Rays(
            distance=tuple(distance), median=tuple(median), low=tuple(1.5 * median), high=tuple(0.6 * median)
        ),
        landscape=Landscape(
            x=tuple(x),
            y=tuple(x),
            value=tuple(map(tuple, value)),
            rows=tuple(map(tuple, rng.normal(0, 0.7, (100, 2)))),
        ),
    )
