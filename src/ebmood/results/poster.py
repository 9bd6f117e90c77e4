"""The numbers of the paper's poster: relative changes of AUC-PR in per cent.

Source: S. Elflein, B. Charpentier, D. Zügner, S. Günnemann, "On Out-of-distribution Detection with
Energy-based Models", arXiv:2107.08785, poster.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from ebmood.core.settings import Settings
from ebmood.data.dataset import Kind

DATASETS = {"cifar-10": "CIFAR-10", "fmnist": "FMNIST", "segment": "Segment", "sensorless": "Sensorless"}
"""The in-distribution data sets of the poster: name in records, and name in print."""

IMAGES = ("cifar-10", "fmnist")
"""The image data sets among them."""

METHODS = {"cd": "CD", "vera": "VERA", "ssm": "SSM"}
"""The energy-based methods of the poster: name in records, and name in print."""

KINDS: tuple[Kind, Kind] = ("natural", "non-natural")

TABLE_FLOWS = {"radial": "Radial flow"}
"""The paper's normalizing flow on tables: name in records, and name in print."""

IMAGE_FLOWS = {"realnvp": "RealNVP", "glow": "Glow"}
"""The paper's normalizing flows on images. The poster does not say which of them its average contains."""

FLOW = {"cd": 11.9, "vera": 4.3, "ssm": -4.3}
"""Energy-based model over normalizing flow by method, averaged over all four data sets and all OOD sets."""


class Reported(Settings):
    """One number of a table on the poster.

    Attributes:
        method: `cd`, `vera` or `ssm`.
        dataset: a key of `DATASETS`.
        kind: kind of the out-of-distribution sets.
        percent: relative change of AUC-PR in per cent, or None where the poster is not readable.
    """

    method: Literal["cd", "vera", "ssm"]
    dataset: str
    kind: Kind
    percent: float | None

    @property
    def direction(self) -> int | None:
        """+1 for a rise, -1 for a fall, None where the number is not readable."""
        return None if self.percent is None else (1 if self.percent > 0 else -1)


def _reported(
    datasets: tuple[str, ...], rows: dict[tuple[str, Kind], tuple[float | None, ...]]
) -> Iterator[Reported]:
    for (method, kind), percents in rows.items():
        for dataset, percent in zip(datasets, percents, strict=True):
            values = {"method": method, "dataset": dataset, "kind": kind, "percent": percent}
            yield Reported.model_validate(values)


SUPERVISION = tuple(
    _reported(
        ("cifar-10", "fmnist", "segment", "sensorless"),
        {
            ("cd", "natural"): (-10.82, 47.17, 1.85, 29.72),
            ("cd", "non-natural"): (-9.11, 3.24, 0.89, -0.02),
            ("ssm", "natural"): (7.33, 50.61, 25.89, None),
            ("ssm", "non-natural"): (-27.94, -20.26, -21.94, -40.73),
            ("vera", "natural"): (-1.16, 33.66, 4.98, 97.93),
            ("vera", "non-natural"): (-3.00, -15.53, -0.57, 0.07),
        },
    )
)
"""Supervision over no supervision."""

EMBEDDINGS = tuple(
    _reported(
        IMAGES,
        {
            ("cd", "natural"): (48.60, 95.79),
            ("cd", "non-natural"): (3.37, -13.52),
            ("ssm", "natural"): (53.84, 58.40),
            ("ssm", "non-natural"): (-2.31, 59.59),
            ("vera", "natural"): (50.16, 15.12),
            ("vera", "non-natural"): (16.97, 1.80),
        },
    )
)
"""Training on the embeddings of a classifier over training on pixels."""

BOTTLENECK = tuple(
    _reported(
        IMAGES,
        {
            ("cd", "natural"): (20.18, 67.95),
            ("cd", "non-natural"): (20.38, 10.88),
            ("ssm", "natural"): (14.76, 1.75),
            ("ssm", "non-natural"): (33.34, -5.92),
            ("vera", "natural"): (19.66, 26.84),
            ("vera", "non-natural"): (33.22, 32.94),
        },
    )
)
"""Bottlenecks of 1x1 convolutions over no bottlenecks."""


def number(table: Sequence[Reported], method: str, paper: str | None, kind: str) -> Reported | None:
    """Return one number of a table above, or None if the table has no such row.

    Args:
        table: `SUPERVISION`, `EMBEDDINGS` or `BOTTLENECK`.
        method: name of the method in records.
        paper: a key of `DATASETS`, or None.
        kind: kind of the out-of-distribution sets.

    >>> number(SUPERVISION, "cd", "segment", "natural").percent
    1.85
    """
    for reported in table:
        if (reported.method, reported.dataset, reported.kind) == (method, paper, kind):
            return reported
    return None


def supervision_gamma(method: str, paper: str | None) -> float:
    """Return the weight of the cross-entropy of the poster: 1, but 100 for VERA on images."""
    return 100.0 if method == "vera" and paper in IMAGES else 1.0


def paper_set(name: str, small: bool) -> str | None:
    """Return the key of `DATASETS` for the name of a data set, or None.

    Args:
        name: name of the data set in records.
        small: whether it is a reduced version; its name then begins with that of the paper's set.

    >>> paper_set("fmnist-small", small=True)
    'fmnist'
    """
    plain = name.lower().replace("cifar10", "cifar-10")
    return next((key for key in DATASETS if plain == key or (small and plain.startswith(f"{key}-"))), None)
