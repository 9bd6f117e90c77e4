"""Typed, frozen, serialisable settings: what every recipe, data set and study file is made of."""

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def digest(self) -> str:
        """Sixteen hexadecimal digits that change whenever any value in these settings does."""
        return digest(self.model_dump(mode="json"))

    def but(self, **changes: object) -> Self:
        """These settings with some values changed, checked again like new ones."""
        return type(self).model_validate(self.model_dump() | changes)


def digest(content: object) -> str:
    """Sixteen hexadecimal digits of SHA-256 over canonical JSON of plain `content`."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
