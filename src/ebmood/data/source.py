"""A source of data: settings that load rows, and split them by a seed."""

from typing import Literal

from ebmood.core.settings import Settings
from ebmood.data.dataset import Dataset, Split
from ebmood.data.probes import PROBES_VERSION
from ebmood.data.split import SPLIT_VERSION, split_dataset


class Source(Settings):
    """Where a data set comes from, and how its rows may be split: the entry under `datasets` of a study file.

    Attributes:
        duplicates: `together` keeps equal rows on one side of the split; `across` splits row by row, as the
            paper did, so that test rows may also have been trained on.
    """

    duplicates: Literal["together", "across"] = "together"

    def load(self) -> Dataset:
        """Read all rows. Raises `EbmoodError` naming the file, column or class at fault."""
        raise NotImplementedError

    def split(self, dataset: Dataset, seed: int) -> Split:
        """What `seed` makes of the rows that `load` returned; for tables, `split_dataset`.

        Raises:
            EbmoodError: a set has too few rows, or a value cannot be scaled.
        """
        return split_dataset(dataset, seed, self.duplicates)

    def versions(self) -> tuple[int, ...]:
        """Return the versions of the split and the probes. Keys of study cells depend on them."""
        return (SPLIT_VERSION, PROBES_VERSION)
