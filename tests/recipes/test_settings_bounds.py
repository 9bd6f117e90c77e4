"""The contract of settings: numbers that cannot train or score anything are refused."""

import importlib
import pkgutil
import typing
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings, _subclasses
from ebmood.recipes import METHODS
from ebmood.study.study_file import load_study

PACKAGES = (
    "data",
    "networks",
    "models",
    "samplers",
    "scores",
    "objectives",
    "training",
    "density_scores",
    "recipes",
)

MAY_BE_NEGATIVE = {
    "Toy.drawn_with": "a seed, from which a stream is derived",
    "MemoryScore.seed": "a seed, from which a stream is derived",
    "Sensorless.openml": "the name or number of a data set, which openml.org checks",
    "SGLD.clip": "an interval of inputs, which may be negative",
}
"""Numeric fields that take negative numbers, with the reason."""


def numeric_fields() -> list[tuple[str, Any, Any]]:
    """Return the name, the type and a negative value of every numeric field of all settings."""
    for package in PACKAGES:
        module = importlib.import_module(f"ebmood.{package}")
        for found in pkgutil.walk_packages(module.__path__, f"ebmood.{package}."):
            importlib.import_module(found.name)
    fields = {}
    for cls in _subclasses(Settings):
        if cls.__module__.split(".")[1] not in PACKAGES:
            continue
        for name, field in cls.model_fields.items():
            if (value := negative(field.annotation)) is not None:
                kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
                fields[f"{cls.__name__}.{name}"] = (kind, value)
    return [(name, kind, value) for name, (kind, value) in sorted(fields.items())]


def negative(annotation: Any) -> Any:
    """Return -1 or a tuple of -1 if the type has numbers, else None.

    >>> negative(tuple[float, float] | None)
    (-1, -1)
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        return -1
    if origin is Annotated:
        return negative(args[0])
    if origin in (typing.Union, UnionType):
        return next((value for arg in args if (value := negative(arg)) is not None), None)
    if origin is tuple:
        values = [negative(arg) for arg in args if arg is not Ellipsis]
        return None if None in values else tuple(values)
    return None


FIELDS = numeric_fields()


@pytest.mark.parametrize(("name", "kind", "value"), FIELDS, ids=[name for name, *_ in FIELDS])
def test_a_numeric_field_refuses_a_negative_number_or_says_why_not(name, kind, value):
    if name in MAY_BE_NEGATIVE:
        TypeAdapter(kind).validate_python(value)
    else:
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(value)


def test_the_exceptions_are_fields():
    names = {name for name, *_ in FIELDS}
    assert set(MAY_BE_NEGATIVE) <= names
    assert {"Training.steps", "AdamW.betas", "VERA.hidden", "CD.class_entropy", "Recipe.gamma"} <= names


@pytest.mark.parametrize(
    ("method", "part", "values"),
    [
        ("dsm", "training", {"steps": 0}),
        ("dsm", "training", {"batch_size": 0}),
        ("dsm", "training", {"halve_every": 0}),
        ("dsm", "training", {"validate_every": 0}),
        ("dsm", "training", {"patience": 0}),
        ("dsm", "training", {"drops": [1], "drop": 0}),
        ("dsm", "objective", {"optimiser": {"lr": 0}}),
        ("dsm", "objective", {"optimiser": {"lr": float("nan")}}),
        ("dsm", "objective", {"optimiser": {"betas": [2, 3]}}),
        ("dsm", "model", {"hidden": [0]}),
        ("radial", "model", {"layers": 0}),
        ("cd", "objective", {"buffer": 0}),
        ("cd", "objective", {"restart": 3}),
        ("cd", "objective", {"chain": {"clip": [1, -1]}}),
        ("vera", "objective", {"posterior_samples": 0}),
        ("vera", "objective", {"sigma_bounds": [0.3, 0.01]}),
        ("vera", "objective", {"noise": 0}),
    ],
)
def test_a_recipe_refuses_settings_that_train_nothing(method, part, values):
    with pytest.raises(ValidationError, match=r"greater|less|finite|exceed"):
        METHODS[method]("corrected", None).overridden(**{part: values})


def test_patience_needs_a_validation():
    with pytest.raises(ValidationError, match=r"patience.*set validate_every"):
        METHODS["dsm"]("corrected", None).overridden(training={"patience": 3})


def test_a_study_names_the_key_of_a_refused_number(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("datasets: segment\nrecipes: [{method: dsm, training: {warmup: -3}}]\n")
    with pytest.raises(EbmoodError, match=r"warmup.*greater than or equal to 0") as error:
        load_study(str(file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gamma", [-1.0, 0.0, float("nan"), float("inf")])
def test_gamma_is_above_zero_and_finite(gamma):
    with pytest.raises(ValidationError, match="gamma"):
        METHODS["ssm"]("corrected", gamma)
