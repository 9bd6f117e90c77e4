"""A YAML file that knows the line of each value, so that error messages name file, line and key."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ebmood.core.errors import EbmoodError

KeyPath = tuple[str | int, ...]
"""Keys and indices from the root of a document to a value, such as `("recipes", 1, "training", "steps")`."""

ModelType = TypeVar("ModelType", bound=BaseModel)


_RENAMED = {"compiled": "; since version 0.2 the key is `fast` of `training`: write `training: {fast: ...}`"}
"""Ends of error messages about keys of earlier versions."""


LONGEST = 60
"""Characters of a value in a message."""

_EXPECTED = {
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
}
"""What a value should be, by pydantic's type of the error."""


class YamlDocument:
    """The content of one YAML file.

    Attributes:
        path: path of the file.
        data: content as plain lists, dicts and scalars.

    Raises:
        EbmoodError: the file is missing, unreadable, not YAML, empty, or contains a key twice.
    """

    def __init__(self, path: Path):
        self.path = path
        text = _read(path)
        try:
            self._root = yaml.compose(text, Loader=_Loader)
            self._check_duplicate_keys(self._root)
            self.data: Any = yaml.load(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise EbmoodError(f"{path}{line}: not YAML ({error.problem})") from error
        except yaml.YAMLError as error:
            raise EbmoodError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
        if self.data is None:
            raise EbmoodError(f"{path}: the file is empty; a study needs `datasets` and `recipes`")

    def location(self, key_path: KeyPath) -> str:
        """Return the location of a value, such as `file.yaml, line 7, recipes[1].training.steps`."""
        node, line = self._root, 1
        for part in key_path:
            child = _child(node, part)
            if child is None:
                break
            node, line = child
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key_path).lstrip(
            "."
        )
        return f"{self.path}, line {line}" + (f", {dotted}" if dotted else "")

    def fail(self, key_path: KeyPath, message: str) -> NoReturn:
        """Raise `EbmoodError` with the location of a value and `message`."""
        raise EbmoodError(f"{self.location(key_path)}: {message}")

    def validate(self, model: type[ModelType], data: Any, key_path: KeyPath) -> ModelType:
        """Return `data` at `key_path` as an instance of `model`. Raise `EbmoodError` for the first error."""
        if not isinstance(data, dict):
            keys = ", ".join(model.model_fields)
            self.fail(key_path, f"expected keys and values, not {shown(data)}; keys: {keys}")
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.fail_validation(error, model, key_path)

    def fail_validation(self, error: ValidationError, model: type[BaseModel], key_path: KeyPath) -> NoReturn:
        """Raise `EbmoodError` for the first error that pydantic reports below `key_path`."""
        # A misspelt key often also causes a missing key; the message about the misspelt one helps more.
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        *parents, last = first["loc"]
        keys = sorted(_keys_at(model, tuple(parents)))
        inner = (*_without_tags(model, parents), last)
        if first["type"] == "extra_forbidden":
            hint = _RENAMED.get(str(inner[-1])) or suggestion(str(inner[-1]), keys)
            self.fail((*key_path, *inner), f"unknown key {inner[-1]!r}{hint}")
        if first["type"] == "missing":
            self.fail((*key_path, *inner[:-1]), f"the key {inner[-1]!r} is missing")
        if first["type"] == "too_short":
            self.fail((*key_path, *inner), "the list is empty; give at least one value")
        self.fail((*key_path, *inner), f"{shown(first['input'])} {_expectation(first, model)}")

    def _check_duplicate_keys(self, node: yaml.Node | None) -> None:
        # YAML readers silently use the last of two equal keys.
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise EbmoodError(f"{self.path}, line {line}: a key is a list or a mapping; write a word")
                if key.value in keys:
                    raise EbmoodError(
                        f"{self.path}, line {line}: duplicate key {key.value!r}; remove one of the two"
                    )
                keys.add(key.value)
                self._check_duplicate_keys(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._check_duplicate_keys(item)


def shown(value: object) -> str:
    """Return a value as text of at most `LONGEST` characters.

    >>> len(shown("a" * 100)) == LONGEST
    True
    """
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the most similar known word, or all known words.

    >>> suggestion("gama", ["gamma", "variant"])
    "; did you mean 'gamma'?"
    >>> suggestion("x", ["gamma", "variant"])
    '; known: gamma, variant'
    """
    known = list(known)
    similar = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {similar[0]!r}?" if similar else f"; known: {', '.join(known) or 'none'}"


class _Loader(yaml.SafeLoader):
    """YAML loader that also reads `1e-3` as a number (PyYAML reads it as text)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+"),
    list("-+0123456789"),
)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise EbmoodError(f"{path}: cannot be read ({reason})") from error


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    """Return the child node of a key or an index, and its first line (for a mapping: the line of the key)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None


def _expectation(error: Mapping[str, Any], model: type[BaseModel]) -> str:
    """Return the end of a message: what the value of a pydantic error should be."""
    kind, value = error["type"], error["input"]
    null = _accepts_null(model, error["loc"])
    if null and isinstance(value, str) and value.lower() == "none":
        return "is text; write null"
    if kind in ("tuple_type", "list_type"):
        example = f", such as [{value}]" if isinstance(value, str | int | float) else ""
        return f"must be a list{example if len(example) < LONGEST else ''}"
    if kind == "greater_than":
        return f"must be above {error['ctx']['gt']:g}{', or null' if null else ''}"
    return _EXPECTED.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _accepts_null(model: type[BaseModel], location: Sequence[str | int]) -> bool:
    """Return whether the value at `location`, or the list that it is in, may contain null."""
    for i in reversed(range(len(location))):
        name = str(location[i])
        fields = [
            one.model_fields[name]
            for one in _models_at(model, tuple(location[:i]))
            if name in one.model_fields
        ]
        if fields:
            return any(_contains_none(field.annotation) for field in fields)
    return False


def _contains_none(annotation: Any) -> bool:
    return annotation is type(None) or any(map(_contains_none, get_args(annotation)))


def _keys_at(model: type[BaseModel], parents: tuple[str | int, ...]) -> set[str]:
    """Return the valid keys at `parents` below `model`."""
    return {key for parent in _models_at(model, parents) for key in parent.model_fields}


def _models_at(model: type[BaseModel], parents: tuple[str | int, ...]) -> set[type[BaseModel]]:
    """Return the settings classes at `parents` below `model`. Indices and tags of unions are not fields."""
    models = {model}
    for part in parents:
        fields = (parent.model_fields.get(str(part)) for parent in models)
        children = {child for field in fields if field for child in _models(field.annotation)}
        models = children or models
    return models


def _without_tags(model: type[BaseModel], parents: Sequence[str | int]) -> list[str | int]:
    """Return the path `parents` as the file has it, without the tags that name members of unions."""
    return [
        part
        for i, part in enumerate(parents)
        if isinstance(part, int) or part in _keys_at(model, tuple(parents[:i]))
    ]


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    """Yield the settings classes in an annotation: `tuple[A | None, ...]` contains `A`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
