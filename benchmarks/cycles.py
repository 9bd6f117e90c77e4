"""False alarms among later rows, with and without the phase of a cycle that the training rows contain a few times.

    python benchmarks/cycles.py [--repetitions 6]

The rows are two Ornstein-Uhlenbeck processes and one column of noise. They do not depend on the cycle, but on each
other in time. Times are in periods of the cycle. New rows
are those directly after the training rows.
"""

import argparse

import numpy as np

from ebmood import EnergyDetector

ALPHA = 0.05
POINTS = 6_000
ROWS = 1_000
NEW = 600


def process(draw: np.random.Generator, step: float, memory: float) -> np.ndarray:
    """Return a process whose correlation decays by 1/e over the time `memory`."""
    decay = np.exp(-step / memory)
    noise = draw.normal(size=POINTS)
    values = np.empty(POINTS)
    values[0] = noise[0]
    for i in range(1, POINTS):
        values[i] = decay * values[i - 1] + np.sqrt(1 - decay**2) * noise[i]
    return values


def false_alarms(periods: int, memory: float, with_cycle: bool, seed: int) -> float:
    """Return the flagged fraction of the first rows after `periods` periods of training."""
    draw = np.random.default_rng(seed)
    time = np.linspace(0, periods + 0.25, POINTS)
    slow = [process(draw, time[1], memory) for _ in range(2)]
    rows = np.column_stack([*slow, draw.normal(size=POINTS)])
    if with_cycle:
        rows = np.column_stack([rows, np.sin(2 * np.pi * time), np.cos(2 * np.pi * time)])
    known = draw.choice(np.flatnonzero(time < periods), ROWS, replace=False)
    later = np.flatnonzero(time >= periods)[:NEW]
    detector = EnergyDetector(alpha=ALPHA, random_state=0).fit(rows[known])
    return float((detector.predict(rows[later]) == -1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=6)
    repetitions = parser.parse_args().repetitions
    print("periods  memory  with cycle  without")
    for periods in (1, 2, 3, 4):
        for memory in (0.003, 0.03, 0.1):
            rates = [
                np.mean([false_alarms(periods, memory, cycle, seed) for seed in range(repetitions)])
                for cycle in (True, False)
            ]
            print(f"{periods:7}  {memory:6}  {rates[0]:10.3f}  {rates[1]:7.3f}", flush=True)


if __name__ == "__main__":
    main()
