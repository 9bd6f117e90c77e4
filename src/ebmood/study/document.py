"""A YAML file that knows where its values stand, so that every complaint names file, line and key."""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ebmood.core.errors import EbmoodError

Place = tuple[str | int, ...]
SomeModel = TypeVar("SomeModel", bound=BaseModel)


class Document:
    """The content of one YAML file.

    Attributes:
        path: the file.
        data: its content as plain lists, dicts and scalars.

    Raises:
        EbmoodError: the file is missing, unreadable, not YAML, empty, or writes one key twice.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise EbmoodError(f"{path}: cannot be read ({reason})") from error
        try:
            self._root = yaml.compose(text, Loader=_Loader)
            self._refuse_double_keys(self._root)
            self.data: Any = yaml.load(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise EbmoodError(f"{path}{line}: not YAML ({error.problem})") from error
        except yaml.YAMLError as error:
            raise EbmoodError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
        if self.data is None:
            raise EbmoodError(f"{path}: the file is empty; a study needs `datasets` and `recipes`")

    def where(self, place: Place) -> str:
        """`file.yaml, line 7, recipes[1].training.steps`."""
        node, line = self._root, 1
        for part in place:
            child = _child(node, part)
            if child is None:
                break
            node, line = child
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        return f"{self.path}, line {line}" + (f", {dotted}" if dotted else "")

    def refuse(self, place: Place, message: str) -> NoReturn:
        """Raise `EbmoodError` with `message` at `place`."""
        raise EbmoodError(f"{self.where(place)}: {message}")

    def checked(self, model: type[SomeModel], data: Any, place: Place) -> SomeModel:
        """`data`, found at `place`, as a `model`; else `EbmoodError` for the first thing wrong with it."""
        if not isinstance(data, dict):
            self.refuse(
                place, f"expected keys and values, not {data!r}; keys: {', '.join(model.model_fields)}"
            )
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.explain(error, model, place)

    def explain(self, error: ValidationError, model: type[BaseModel], place: Place) -> NoReturn:
        """Raise `EbmoodError` for the first thing that pydantic holds against the values at `place`."""
        # A misspelt key is also a missing one: the former says more.
        first = min(error.errors(), key=lambda wrong: wrong["type"] != "extra_forbidden")
        *within, last = first["loc"]
        keys = sorted(_keys_at(model, tuple(within)))
        inner = (*_without_tags(model, within), last)
        if first["type"] == "extra_forbidden":
            self.refuse((*place, *inner), f"unknown key {inner[-1]!r}{nearest(str(inner[-1]), keys)}")
        if first["type"] == "missing":
            self.refuse((*place, *inner[:-1]), f"the key {inner[-1]!r} is missing")
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        self.refuse((*place, *inner), f"{first['input']!r} {message}")

    def _refuse_double_keys(self, node: yaml.Node | None) -> None:
        # YAML readers keep the last of two equal keys without a word.
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise EbmoodError(
                        f"{self.path}, line {line}: the key {key.value!r} stands here twice; keep one"
                    )
                seen.add(key.value)
                self._refuse_double_keys(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._refuse_double_keys(item)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'gamma'?`, or all that is known where nothing is near."""
    known = list(known)
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"


class _Loader(yaml.SafeLoader):
    """YAML with the numbers that people write: a plain `1e-3` is a number (PyYAML alone reads it as text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+"),
    list("-+0123456789"),
)


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    """The node under a key or an index, and the line on which it begins (for a key: the key's)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def _keys_at(model: type[BaseModel], inner: tuple[str | int, ...]) -> set[str]:
    """The keys that are right at `inner` below `model`; indices and the tags of unions name no field."""
    models = {model}
    for part in inner:
        below = {
            m for known in models if (f := known.model_fields.get(str(part))) for m in _models(f.annotation)
        }
        models = below or models
    return {key for known in models for key in known.model_fields}


def _without_tags(model: type[BaseModel], inner: Sequence[str | int]) -> list[str | int]:
    """The place `inner` below `model` as the file has it: without the tags that name members of unions."""
    return [
        part
        for i, part in enumerate(inner)
        if isinstance(part, int) or part in _keys_at(model, tuple(inner[:i]))
    ]


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    """All settings classes that stand in an annotation: `tuple[A | None, ...]` holds `A`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
