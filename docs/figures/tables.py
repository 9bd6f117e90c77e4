"""Draw the differences between `EnergyDetector` and other detectors on the one-class tables.

    python docs/figures/tables.py [--folder docs/figures]

The numbers are those of the first table of docs/results/tables.md, so the figure and the page agree.
"""

import argparse
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # after the backend is chosen

PAGE = Path(__file__).parents[1] / "results" / "tables.md"
DIFFERENCE = r"[-+.\d]+ ± [.\d]+"
ROW = re.compile(
    rf"^\| (?P<name>[^|]+) \|(?:[^|]*\|){{4}} (?P<auroc>{DIFFERENCE}) \| (?P<aucpr>{DIFFERENCE}) \|"
)
BLUE = "#1b6ca8"


def read_differences(page: str) -> list[tuple[str, dict[str, tuple[float, float]]]]:
    """Return name and differences (mean and half-width of the interval) of each detector in the first table."""
    rows = []
    for line in page[page.index("### One-class tables") : page.index("### ADBench")].splitlines():
        if match := ROW.match(line):
            differences = {}
            for metric in ("auroc", "aucpr"):
                mean, half_width = match[metric].split(" ± ")
                differences[metric] = (float(mean), float(half_width))
            rows.append((match["name"], differences))
    return rows


def main() -> None:
    """Write tables.png."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder

    rows = read_differences(PAGE.read_text())
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    heights = range(len(rows), 0, -1)
    for axis, metric, title in zip(axes, ("auroc", "aucpr"), ("AUROC", "AUC-PR"), strict=True):
        means, half_widths = zip(*(differences[metric] for _, differences in rows), strict=True)
        axis.axvline(0, color="0.6", linewidth=1)
        axis.errorbar(means, heights, xerr=half_widths, fmt="o", color=BLUE, capsize=3)
        axis.set_title(f"Difference of {title}, points")
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(list(heights), [name for name, _ in rows])
    figure.savefig(folder / "tables.png", dpi=110)


if __name__ == "__main__":
    main()
