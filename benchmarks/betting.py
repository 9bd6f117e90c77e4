"""Compare ways of betting against p-values: rows to the alarm after a change, and what is missed.

    python benchmarks/betting.py [--feeds 40]

A feed is one column of independent normal numbers, among 500 reference rows. It changes after 3,000 rows and ends
after 5,000. Every method gives an alarm when its wealth reaches 100. docs/results/monitoring.md has the table.
"""

import argparse
import math
from collections.abc import Callable
from itertools import product

import numpy as np
from scipy.special import betaln

from ebmood.monitoring.bets import BETS, log_bets
from ebmood.monitoring.martingale import ChangeMartingale, log_sum
from ebmood.monitoring.ranks import RankPool

REFERENCE, CHANGE, LENGTH = 500, 3_000, 5_000

SHIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "mean + 0.25 sd": lambda x: x + 0.25,
    "mean - 0.5 sd": lambda x: x - 0.5,
    "mean + 0.5 sd": lambda x: x + 0.5,
    "mean + 1 sd": lambda x: x + 1,
    "sd x 1.25": lambda x: 1.25 * x,
    "sd x 1.5": lambda x: 1.5 * x,
    "sd x 0.67": lambda x: 0.67 * x,
    "stuck at 0": lambda x: 0 * x,
}


def p_values(rng: np.random.Generator, feeds: int, shift: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the p-values of feeds: `(LENGTH, feeds)`."""
    columns = []
    for _ in range(feeds):
        feed = rng.normal(size=LENGTH)
        feed[CHANGE:] = shift(feed[CHANGE:])
        columns.append(RankPool(rng.normal(size=REFERENCE), LENGTH).p_values(feed, rng.uniform(size=LENGTH)))
    return np.clip(np.stack(columns, axis=1), 1e-15, 1 - 1e-15)


def change_mixture(p: np.ndarray) -> np.ndarray:
    """The martingale of `ebmood.monitoring`."""
    return ChangeMartingale(p.shape[1]).update(log_bets(p))[0]


def change_mixture_of(shapes: tuple[float, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """The same with other Beta densities."""
    grid = np.array([shape for shape in product(shapes, shapes) if shape != (1, 1)])

    def log_wealth(p: np.ndarray) -> np.ndarray:
        a, b = grid.T
        factors = (a - 1) * np.log(p)[..., None] + (b - 1) * np.log1p(-p)[..., None] - betaln(a, b)
        return ChangeMartingale(p.shape[1], len(grid)).update(factors)[0]

    return log_wealth


def from_the_start(p: np.ndarray) -> np.ndarray:
    """The mean wealth of the same Beta bets, all of which bet from the first row on."""
    return log_sum(np.cumsum(log_bets(p), axis=0)) - math.log(len(BETS))


def power_mixture(p: np.ndarray) -> np.ndarray:
    """The simple mixture of Vovk et al. (2003), on a grid: the mean over epsilon of prod epsilon p^(epsilon - 1)."""
    epsilon = np.arange(0.05, 1, 0.1)
    factors = np.log(epsilon) + (epsilon - 1) * np.log(p)[..., None]
    return log_sum(np.cumsum(factors, axis=0)) - math.log(len(epsilon))


def simple_jumper(p: np.ndarray, jump: float = 0.01) -> np.ndarray:
    """The Simple Jumper of Vovk et al. (2021, "Retrain or not retrain"): factors 1 + e (p - 1/2), e in -1, 0, 1."""
    slopes, log_wealth = np.array([-1.0, 0.0, 1.0]), np.empty(p.shape)
    capital = np.full((p.shape[1], 3), -math.log(3))
    for i, now in enumerate(p):
        total = log_sum(capital)[:, None]
        capital = np.logaddexp(math.log(1 - jump) + capital, math.log(jump / 3) + total)
        capital = capital + np.log1p(slopes * (now[:, None] - 0.5))
        log_wealth[i] = log_sum(capital)
    return log_wealth


def histogram(p: np.ndarray, bins: int = 10) -> np.ndarray:
    """Plug-in betting (Fedorova et al. 2012) with the histogram of the earlier p-values, one row added to each bin."""
    counts, feeds = np.ones((p.shape[1], bins)), np.arange(p.shape[1])
    factors = np.empty(p.shape)
    for i, now in enumerate(p):
        bin_ = np.minimum((now * bins).astype(int), bins - 1)
        factors[i] = np.log(counts[feeds, bin_] / counts.sum(1) * bins)
        counts[feeds, bin_] += 1
    return np.cumsum(factors, axis=0)


METHODS = {
    "monitor": change_mixture,
    "shapes 0.5 to 2": change_mixture_of((0.5, 0.8, 1.0, 1.25, 2.0)),
    "shapes 0.25 to 4": change_mixture_of((0.25, 0.5, 1.0, 2.0, 4.0)),
    "bets from the first row": from_the_start,
    "simple mixture": power_mixture,
    "Simple Jumper": simple_jumper,
    "histogram": histogram,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--feeds", type=int, default=40)
    feeds = parser.parse_args().feeds
    print(f"| change | {' | '.join(METHODS)} |\n| :-- |{' --: |' * len(METHODS)}")
    for name, shift in SHIFTS.items():
        p, cells = p_values(np.random.default_rng(0), feeds, shift), []
        for method in METHODS.values():
            alarms = method(p) >= math.log(100)
            first = np.where(alarms.any(0), alarms.argmax(0), math.inf)
            if name == "none":
                cells.append(f"false alarms {np.isfinite(first).mean():.0%}")
                continue
            late = first[first >= CHANGE] - CHANGE
            median, missed = np.quantile(late, 0.5, method="lower"), np.isinf(late).mean()
            text = "missed" if math.isinf(median) else f"{median:,.0f}"
            cells.append(text + (f", {missed:.0%} missed" if missed and not math.isinf(median) else ""))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
