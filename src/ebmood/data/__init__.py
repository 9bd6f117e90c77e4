"""Data: sources of rows, and their split into training, validation and test parts."""

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
"""Any source, identified by its `kind`: the type of an entry under `datasets` in a study file."""

DATASETS: tuple[type[Source], ...] = get_args(_EverySource)
"""All source classes. Add a new one to `_EverySource` above."""

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
