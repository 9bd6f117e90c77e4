"""What a study asks for, as its folder keeps it beside the records: `study.json`."""

from collections.abc import Container, Mapping
from pathlib import Path

from pydantic import ValidationError, model_validator

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_text
from ebmood.core.settings import Settings

PLAN = "study.json"
"""Name of the file in a study's folder."""


class Plan(Settings):
    """The study last run in a folder.

    Attributes:
        name: the preset's, or the file's.
        title: of the study.
        keys: of its cells, in its order.
        names: of its cells, for people.
        seeds: of each data set, by its name.
        left_out: keys of cells that its last run was told to leave alone.
    """

    name: str = ""
    title: str
    keys: tuple[str, ...]
    names: tuple[str, ...] = ()
    seeds: Mapping[str, tuple[int, ...]] = {}
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_has_its_name(self) -> "Plan":
        if self.names and len(self.names) != len(self.keys):
            raise ValueError(f"{len(self.keys)} keys and {len(self.names)} names")
        return self

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Key and name of each cell, in the study's order."""
        return list(zip(self.keys, self.names or self.keys, strict=True))

    def not_run(self, done: Container[str]) -> list[str]:
        """The names of the cells whose keys are not among `done`."""
        return [name for key, name in self.cells if key not in done]


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep the plan in a study's folder.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    write_text(folder / PLAN, plan.model_dump_json(indent=1))


def read_plan(folder: Path) -> Plan | None:
    """The plan in a study's folder, or None where there is none.

    Raises:
        EbmoodError: it is there, and cannot be read.
    """
    path = folder / PLAN
    try:
        return Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise EbmoodError(f"{path}: cannot be read ({why}); remove it and try again") from error
