"""Do modern energies reach their mark? Read the records of a study and print AUROC over seeds, beside the spline flow.

    python benchmarks/modern_marks.py docs/results/modern/records.jsonl

For every set, the columns are the mean and the standard deviation of AUROC over the seeds that are done, and the mean
paired difference to the spline flow with its 95 % interval (Student's t), over the seeds that both have. The mark of a
modern arm: a standard deviation of at most 0.02, and a mean that is at most 0.01 below that of the spline flow.
"""

import argparse
from pathlib import Path

import numpy as np

from ebmood.results.arms import Arm, gather
from ebmood.results.comparisons import t_interval
from ebmood.study.records import read_records

LARGEST_DEVIATION, LARGEST_LOSS = 0.02, 0.01


def values_of(arm: Arm, name: str) -> dict[int, float]:
    """Return AUROC on one set, by seed."""
    return {
        seed: result.auroc
        for seed, record in arm.done.items()
        for result in record.results
        if result.name == name
    }


def difference(a: dict[int, float], b: dict[int, float]) -> str:
    """Return the mean paired difference with its 95 % interval, and its number of pairs if that is below ten."""
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 2:
        return "too few pairs"
    mean, low, high = t_interval([a[seed] - b[seed] for seed in seeds])
    pairs = "" if len(seeds) >= 10 else f" ({len(seeds)} pairs)"
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]{pairs}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path)
    arms = gather(read_records(parser.parse_args().records))
    for condition in dict.fromkeys(arm.condition for arm in arms):
        members = [arm for arm in arms if arm.condition == condition]
        flow = next((arm for arm in members if arm.method == "spline"), None)
        names = [result.name for result in next(iter(members[0].done.values())).results]
        for name in names:
            print(f"\n{condition.dataset}, `{name}`\n")
            print("| | seeds | mean | standard deviation | over the spline flow | mark |")
            print("| :-- | --: | --: | --: | --: | :-- |")
            of_flow = values_of(flow, name) if flow else {}
            for arm in members:
                by_seed = values_of(arm, name)
                array = np.array(list(by_seed.values()))
                deviation = array.std(ddof=1) if len(array) > 1 else np.nan
                paired = sorted(by_seed.keys() & of_flow.keys())
                loss = np.mean([of_flow[seed] - by_seed[seed] for seed in paired]) if paired else np.nan
                mark = ""
                if arm.variant == "modern":
                    misses = [f"deviation {deviation:.3f}"] if deviation > LARGEST_DEVIATION else []
                    misses += [f"{loss:.3f} below the flow"] if loss > LARGEST_LOSS else []
                    mark = (
                        "missed: " + ", ".join(misses)
                        if misses
                        else "reached"
                        if len(paired) == len(by_seed)
                        else f"reached on {len(paired)} pairs"
                    )
                over = "" if arm is flow else difference(by_seed, of_flow)
                print(
                    f"| {arm.label} | {len(array)} | {array.mean():.3f} | {deviation:.3f} | {over} | {mark} |"
                )


if __name__ == "__main__":
    main()
