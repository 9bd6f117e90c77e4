"""Out-of-distribution detection with energy-based models: the methods, the study, the tables.

    from ebmood import METHODS, Segment, separation, split_dataset

    split = split_dataset(Segment().load(), seed=0)
    scorer = METHODS["ssm"]("corrected", None).fit(split, seed=0).scorer
    scorer.score_samples(split.test_x)  # (N,), higher is more in-distribution

The names below load their modules at their first use, so that `import ebmood` alone is fast.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from ebmood.core.errors import (
    CalibrationWarning,
    DataWarning,
    DegenerateObjectiveWarning,
    EbmoodError,
    InputError,
    RollbackWarning,
    SelfTestWarning,
)

if TYPE_CHECKING:
    from ebmood.classifiers import ClassifierDetector
    from ebmood.core.metrics import Separation, separation
    from ebmood.data import (
        CIFAR10,
        FMNIST,
        Dataset,
        Images,
        Segment,
        Sensorless,
        Split,
        Table,
        Toy,
        split_dataset,
    )
    from ebmood.detector import EnergyDetector, EnergySettings, load
    from ebmood.models import DensityModel, EnergyModel, Scorer
    from ebmood.monitoring import Monitor
    from ebmood.recipes import METHODS, Recipe, external_detector
    from ebmood.results.markdown_report import write_report
    from ebmood.study.cell import Cell, run_cell
    from ebmood.study.records import Record, read_records
    from ebmood.study.runner import run_study
    from ebmood.study.study_file import load_study

    __version__: str

_MODULES = {
    "data": (
        "CIFAR10",
        "FMNIST",
        "Dataset",
        "Images",
        "Segment",
        "Sensorless",
        "Split",
        "Table",
        "Toy",
        "split_dataset",
    ),
    "classifiers": ("ClassifierDetector",),
    "detector": ("EnergyDetector", "EnergySettings", "load"),
    "core.metrics": ("Separation", "separation"),
    "monitoring": ("Monitor",),
    "models": ("DensityModel", "EnergyModel", "Scorer"),
    "recipes": ("METHODS", "Recipe", "external_detector"),
    "study.cell": ("Cell", "run_cell"),
    "study.records": ("Record", "read_records"),
    "results.markdown_report": ("write_report",),
    "study.runner": ("run_study",),
    "study.study_file": ("load_study",),
}

_RENAMED = {"HealedWarning": "RollbackWarning", "outside_detector": "external_detector"}
"""Names of version 0.1, with their current names."""

__all__ = [
    "CIFAR10",
    "FMNIST",
    "METHODS",
    "CalibrationWarning",
    "Cell",
    "ClassifierDetector",
    "DataWarning",
    "Dataset",
    "DegenerateObjectiveWarning",
    "DensityModel",
    "EbmoodError",
    "EnergyDetector",
    "EnergyModel",
    "EnergySettings",
    "Images",
    "InputError",
    "Monitor",
    "Recipe",
    "Record",
    "RollbackWarning",
    "Scorer",
    "Segment",
    "SelfTestWarning",
    "Sensorless",
    "Separation",
    "Split",
    "Table",
    "Toy",
    "__version__",
    "external_detector",
    "load",
    "load_study",
    "read_records",
    "run_cell",
    "run_study",
    "separation",
    "split_dataset",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module at its first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("ebmood")
    if name in _RENAMED:
        warnings.warn(
            f"ebmood.{name} is called {_RENAMED[name]} since version 0.2", FutureWarning, stacklevel=2
        )
        return globals().get(_RENAMED[name]) or __getattr__(_RENAMED[name])
    for home, names in _MODULES.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f"ebmood.{home}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
