"""Typed, immutable settings that can be serialised: the base of recipes, data sets and study files."""

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base class of all settings. They are immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def digest(self) -> str:
        """Return sixteen hexadecimal digits that depend on every value of these settings."""
        return digest(self.model_dump(mode="json"))

    def updated(self, **changes: object) -> Self:
        """Return a copy with some values changed. The copy is validated.

        >>> Settings().updated() == Settings()
        True
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(values | changes)


def digest(content: object) -> str:
    """Return sixteen hexadecimal digits of SHA-256 over the canonical JSON of plain `content`."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
