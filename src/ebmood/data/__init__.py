"""Data: where rows come from, and what one seed makes of them."""

from typing import Annotated, get_args

from pydantic import Field

from ebmood.data.dataset import Dataset, Kind, OODSet, Split
from ebmood.data.images import CIFAR10, FMNIST, Images
from ebmood.data.probes import draw_probes
from ebmood.data.segment import Segment
from ebmood.data.sensorless import Sensorless
from ebmood.data.source import Source
from ebmood.data.split import split_dataset
from ebmood.data.table import Table
from ebmood.data.toys import Toy

_EverySource = Segment | Sensorless | Table | Toy | FMNIST | CIFAR10 | Images

AnySource = Annotated[_EverySource, Field(discriminator="kind")]
"""Any source, told apart by its `kind`: the type of an entry under `datasets`."""

DATASETS: tuple[type[Source], ...] = get_args(_EverySource)
"""Every source class. A new one is added to the line above, and here it is."""

__all__ = [
    "CIFAR10",
    "DATASETS",
    "FMNIST",
    "AnySource",
    "Dataset",
    "Images",
    "Kind",
    "OODSet",
    "Segment",
    "Sensorless",
    "Source",
    "Split",
    "Table",
    "Toy",
    "draw_probes",
    "split_dataset",
]
