"""Typed, immutable settings that can be serialised: the base of recipes, data sets and study files."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number above zero."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A finite number of at least zero."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A number in [0, 1]."""


def increasing(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of an interval, for a `pydantic.AfterValidator`.

    Raises:
        ValueError: the first end is above the second, or one of them is not a number.
    """
    low, high = bounds
    if not low <= high:
        raise ValueError(f"the first number must not exceed the second, but {low:g} > {high:g}")
    return bounds


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


def by_kind(base: type[Settings]) -> Callable[[Any], Any]:
    """Return a function that reads a dict with the key `kind` as the subclass of `base` that has this kind.

    Use it as a `pydantic.BeforeValidator` of a field that takes any subclass, so that new subclasses need no entry in a
    union. Only imported classes are known. Other values are returned unchanged.

    Raises:
        ValueError: no imported subclass has this kind.
    """

    def read(value: Any) -> Any:
        if not isinstance(value, dict) or "kind" not in value:
            return value
        classes = {kind: cls for cls in _subclasses(base) for kind in _kinds(cls)}
        if value["kind"] not in classes:
            raise ValueError(f"unknown kind {value['kind']!r}; known: {', '.join(sorted(classes))}")
        return classes[value["kind"]].model_validate(value)

    return read


def _subclasses(base: type[Settings]) -> Iterator[type[Settings]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


def _kinds(cls: type[Settings]) -> tuple[str, ...]:
    field = cls.model_fields.get("kind")
    return () if field is None else get_args(field.annotation)


def digest(content: object) -> str:
    """Return sixteen hexadecimal digits of SHA-256 over the canonical JSON of plain `content`."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
