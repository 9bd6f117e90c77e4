"""Measure `ebmood.Monitor` with a detector of tables that reads hours and weekdays.

    python benchmarks/monitoring_clock.py [--feeds 30]

The rows are independent, or follow the clock: one column is 10 + 3 sin(hour) + noise, and in tables of several weeks 1
higher on Saturday and Sunday. Training table and feed are consecutive rows in the order of time, without a change. For
the delay, another column is one standard deviation higher from the middle of the feed on. Delta is 0.01.

- **all rows**: each row is ranked among calibration rows of all hours. Up to version 0.8 this was the default.
- **hour and weekday**: among those of its hour and weekday, which is the default.
"""

import argparse
import math
import warnings

import numpy as np
import pandas as pd

from ebmood import EnergyDetector, Monitor
from ebmood.detector import FrameDetector
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.raw.table_detector import TableDetector

DESIGNS = (
    ("independent", "10min", 4032, 3024, 0.0, 0.0),
    ("follow the clock", "10min", 4032, 3024, 3.0, 1.0),
    ("follow the clock", "5min", 2880, 2016, 3.0, 0.0),
    ("follow the clock", "1h", 1008, 1008, 3.0, 1.0),
)
"""Name, time between rows, training rows, rows of the feed, amplitude of the day, and excess of the weekend."""


def rows(seed: int, times: pd.DatetimeIndex, day: float, weekend: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hour = np.asarray(times.hour + times.minute / 60)
    usual = day * np.sin(2 * np.pi * hour / 24) + weekend * np.asarray(times.day_of_week >= 5)
    flow = 10 + usual + rng.normal(size=len(times))
    power = 2.5 * flow + 0.3 * rng.normal(size=len(times))
    return pd.DataFrame({"time": times, "flow": flow, "power": power, "temp": rng.normal(20, 1, len(times))})


def first_alarm(monitor: Monitor, feed: pd.DataFrame) -> float:
    """Return the row of the first alarm, or infinity."""
    alarm = monitor.update(feed).alarm
    return math.inf if alarm is None else alarm.row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--feeds", type=int, default=30)
    feeds = parser.parse_args().feeds
    print(
        "| rows | one row every | training rows | cycles | rows of a feed | all rows | hour and weekday | delay, rows |"
        "\n| :-- | --: | --: | :-- | --: | --: | --: | --: |"
    )
    warnings.simplefilter("ignore")
    for name, step, known, length, day, weekend in DESIGNS:
        alarms: dict[str, list[bool]] = {"all": [], "default": []}
        delays, cycles = [], ""
        for seed in range(feeds):
            times = pd.date_range("2024-01-01", periods=known + length, freq=step)
            table = rows(2 * seed, times[:known], day, weekend)
            feed = rows(2 * seed + 1, times[known:], day, weekend)
            fitted = TableDetector.fit(EnergyDetector(random_state=seed), FrameStream(table))
            detector = FrameDetector(fitted)
            monitor = Monitor(detector)
            cycles = ", ".join(cycle.cycle for cycle in monitor.settings.cycles)
            alarms["default"].append(first_alarm(monitor, feed) < math.inf)
            unaware = Monitor(detector.estimator, unwatched=detector.date_features)
            prepared = detector.prepare(feed)
            alarms["all"].append(unaware.update(prepared).alarm is not None)
            changed = feed.copy()
            changed.loc[length // 2 :, "temp"] += 1
            delays.append(first_alarm(Monitor(detector), changed) - length // 2)
        found = [delay for delay in delays if delay >= 0]
        delay = f"{np.median(found):.0f}, at most {max(found):.0f}" if found else "all before the change"
        print(
            f"| {name} | {step} | {known:,} | {cycles} | {length:,} | {sum(alarms['all'])} of {feeds} "
            f"| {sum(alarms['default'])} of {feeds} | {delay} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
