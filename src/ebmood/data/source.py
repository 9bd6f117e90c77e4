"""The base class of data sources: settings that load rows and split them by a seed."""

from typing import Literal

from ebmood.core.settings import Settings
from ebmood.data.dataset import Dataset, Split
from ebmood.data.probes import PROBES_VERSION
from ebmood.data.split import SPLIT_VERSION, split_dataset


class Source(Settings):
    """The origin of a data set and the rule that splits its rows: an entry under `datasets` in a study file.

    Attributes:
        duplicates: `together` keeps equal rows in one part of the split; `across` splits row by row, as in the paper,
            so that a test row can equal a training row.
    """

    duplicates: Literal["together", "across"] = "together"

    def load(self) -> Dataset:
        """Return all rows.

        Raises:
            EbmoodError: the data cannot be read; the message names the file, column or class.
        """
        raise NotImplementedError

    def split(self, dataset: Dataset, seed: int) -> Split:
        """Return the split of the rows that `load` returned; for tables, see `split_dataset`.

        Raises:
            EbmoodError: a set has too few rows, or a value cannot be scaled.
        """
        return split_dataset(dataset, seed, self.duplicates)

    def versions(self) -> tuple[int, ...]:
        """Return the versions of the split and of the probes that `split` uses."""
        return SPLIT_VERSION, PROBES_VERSION
