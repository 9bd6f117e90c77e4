"""The plan of a study: its cells, stored in `study.json` beside the records."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationError, model_validator

from ebmood.core.errors import EbmoodError, setting_problem
from ebmood.core.files import write_text
from ebmood.core.settings import Settings
from ebmood.study.migration import current_key
from ebmood.study.records import Record

PLAN = "study.json"
"""Name of the file in the folder of a study."""

Key = Annotated[str, AfterValidator(current_key)]


class Plan(Settings):
    """The study that was last run in a folder.

    Attributes:
        name: name of the preset or of the study file.
        title: title of the study.
        keys: keys of its cells, in order.
        names: names of its cells in messages.
        seeds: seeds of each data set, by its name.
        left_out: keys of cells that the last run skipped because of `--seed`.
    """

    name: str = ""
    title: str
    keys: tuple[Key, ...]
    names: tuple[str, ...] = ()
    seeds: Mapping[str, tuple[int, ...]] = {}
    left_out: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> "Plan":
        if self.names and len(self.names) != len(self.keys):
            raise ValueError(f"{len(self.keys)} keys and {len(self.names)} names")
        return self

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Key and name of each cell, in order."""
        return list(zip(self.keys, self.names or self.keys, strict=True))

    def cells_without_record(self, records: Iterable[Record]) -> list[str]:
        """Return the names of the cells that have no record in `records`."""
        recorded = {current_key(record.key) for record in records}
        return [name for key, name in self.cells if key not in recorded]


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan into the folder of a study.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    write_text(folder / PLAN, plan.model_dump_json(indent=1))


def read_plan(folder: Path) -> Plan | None:
    """Return the plan in the folder of a study, or None if the file does not exist.

    Raises:
        EbmoodError: the file cannot be read.
    """
    path = folder / PLAN
    try:
        return Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = setting_problem(error) if isinstance(error, ValidationError) else error.strerror
        raise EbmoodError(f"{path}: cannot be read ({reason}); remove it and try again") from error
