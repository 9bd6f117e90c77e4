"""What a column of many names costs, and what it gains.

    python benchmarks/rare_names.py [--repetitions 3]

The rows are parts of three kinds, whose cost and price depend on the kind, and names of Zipf's distribution. Faults
have the wrong kind; names do not help to find them. In `informative`, a further column depends on the name, and faults
have a value of another name. AUROC of the default detector with and without the names, for 1,000 training rows.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from ebmood import EnergyDetector

ROWS = 1_000
NEW = 300
COSTS = {"A": 400.0, "B": 900.0, "C": 60.0}


def table(names: int, seed: int) -> pd.DataFrame:
    """Return training rows, normal rows and rows that become faults."""
    draw = np.random.default_rng(seed)
    rows = ROWS + 2 * NEW
    kind = draw.choice(list(COSTS), rows)
    cost = np.array([COSTS[name] for name in kind]) * draw.normal(1, 0.05, rows)
    weights = 1 / np.arange(1, names + 1)
    number = draw.choice(names, rows, p=weights / weights.sum())
    effect = np.random.default_rng(99).normal(size=names)
    return pd.DataFrame(
        {
            "kind": kind,
            "cost": cost,
            "price": cost * draw.normal(1.3, 0.03, rows),
            "units": draw.poisson(20, rows),
            "region": draw.choice(["x", "y"], rows),
            "name": [f"n{value}" for value in number],
            "effect": effect[number] + draw.normal(0, 0.05, rows),
        }
    )


def auroc(rows: pd.DataFrame, informative: bool, with_names: bool, seed: int) -> float:
    """Return how well the detector finds faults."""
    faults = rows[-NEW:].copy()
    if informative:
        faults["effect"] = np.random.default_rng(seed).permutation(faults["effect"].to_numpy())
    else:
        faults["kind"] = faults["kind"].map({"A": "C", "B": "C", "C": "B"})
    dropped = [*([] if informative else ["effect"]), *([] if with_names else ["name"])]
    detector = EnergyDetector(random_state=0).fit(rows[:ROWS].drop(columns=dropped))
    new = pd.concat([rows[ROWS : ROWS + NEW], faults]).drop(columns=dropped)
    return float(roc_auc_score([0] * NEW + [1] * NEW, -detector.score_samples(new)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    seeds = range(parser.parse_args().repetitions)
    print("names        names  once  with   without")
    for informative in (False, True):
        for names in (20, 100, 200, 500, 1_000):
            tables = [table(names, seed) for seed in seeds]
            once = np.mean([(rows["name"][:ROWS].value_counts() == 1).sum() / ROWS for rows in tables])
            rates = [
                np.mean([auroc(rows, informative, used, seed) for seed, rows in enumerate(tables)])
                for used in (True, False)
            ]
            label = "informative" if informative else "noise"
            print(f"{label:11}  {names:5}  {once:.2f}  {rates[0]:.3f}  {rates[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
