"""A table of three lines of a plant whose noise differs."""

import numpy as np
import pandas as pd

NOISE = {"quiet": 1.0, "middle": 2.0, "noisy": 6.0}
SHARES = [0.6, 0.3, 0.1]


def draw_lines(rows: int, rng: np.random.Generator, shares: list[float] = SHARES) -> pd.DataFrame:
    """Return rows of the columns flow, power and line."""
    line = rng.choice(list(NOISE), rows, p=shares)
    noise = np.array([NOISE[name] for name in line])
    flow = rng.normal(20, 0.5 * noise)
    return pd.DataFrame({"flow": flow, "power": 2.5 * flow + rng.normal(0, 0.3 * noise), "line": line})
