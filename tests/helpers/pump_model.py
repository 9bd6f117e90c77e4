"""A table with columns of all kinds, and a detector that `ebmood fit` learned from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.run_cli import run

CATEGORIES = ("--category", "site", "--category", "code", "--category", "day")


def pump_table(rows: int, seed: int) -> pd.DataFrame:
    """Return a table of numbers, whole numbers, booleans, categories, codes and dates, with gaps."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "flow [m3/h]": rng.normal(10, 1, rows),
            "starts": rng.poisson(5, rows),
            "running": rng.random(rows) < 0.8,
            "site": rng.choice(["Oslo", "Bergen", "Å"], rows),
            "code": rng.choice([1, 2, 17], rows),
            "day": rng.choice(["2024-01-31", "2024-02-01"], rows),
            "id": [f"r{i}" for i in range(rows)],
        }
    )
    table["starts"] = table["starts"].astype("Int64").mask(rng.random(rows) < 0.1)
    table.loc[rng.random(rows) < 0.1, ["flow [m3/h]"]] = np.nan
    table.loc[rng.random(rows) < 0.1, ["site"]] = None
    return table


def fit_pumps(folder: Path) -> Path:
    """Return the folder of a detector of the table."""
    pump_table(120, 0).to_csv(folder / "fit.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        words = ("fit", folder / "fit.csv", "-o", folder / "model", "--drop", "id", *CATEGORIES)
        code, _, err = run(patch, *words)
    assert code == 0, err
    return folder / "model"
