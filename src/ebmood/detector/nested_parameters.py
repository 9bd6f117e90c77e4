"""Nested parameters of scikit-learn for a parameter that is frozen settings, such as `energy__memory__neighbours`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from sklearn.base import BaseEstimator

from ebmood.core.errors import InputError, setting_problem
from ebmood.core.settings import Settings

SEPARATOR = "__"


class NestedParameters(BaseEstimator):
    """`get_params` and `set_params` that also name the fields of settings.

    Settings are immutable, so `set_params` replaces them by a changed copy. `clone` copies them as one value.

    Attributes:
        default_settings: the settings that None stands for, by parameter.
    """

    default_settings: ClassVar[Mapping[str, Settings]] = {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Args:
            deep: whether to return the fields of settings as well, such as `energy__rows`.
        """
        parameters = super().get_params(deep=deep)
        if deep:
            for name, value in list(parameters.items()):
                if isinstance(value, Settings):
                    parameters |= _fields(name, value)
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. Fields of settings have names such as `energy__memory__neighbours`.

        If the settings are None, the fields are set in the default settings.

        Raises:
            InputError: a field does not exist, or its value is invalid.
        """
        nested = {name: value for name, value in params.items() if SEPARATOR in name}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for name, value in nested.items():
            parameter, _, field = name.partition(SEPARATOR)
            settings = getattr(self, parameter, None) if parameter in self.get_params(deep=False) else None
            settings = self.default_settings.get(parameter) if settings is None else settings
            if not isinstance(settings, Settings):
                super().set_params(**{name: value})  # an estimator, or an error of scikit-learn
                continue
            setattr(self, parameter, _replace(settings, field, value, name))
        return self


def _fields(prefix: str, settings: Settings) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value, key = getattr(settings, name), f"{prefix}{SEPARATOR}{name}"
        fields[key] = value
        if isinstance(value, Settings):
            fields |= _fields(key, value)
    return fields


def _replace(settings: Settings, field: str, value: Any, name: str) -> Settings:
    """Return a copy of the settings with another value of a field, which may be nested."""
    first, _, rest = field.partition(SEPARATOR)
    if first not in type(settings).model_fields:
        known = ", ".join(type(settings).model_fields)
        raise InputError(f"{name}: {type(settings).__name__} has no field {first!r}; the fields are {known}")
    if rest:
        inner = getattr(settings, first)
        if not isinstance(inner, Settings):
            raise InputError(f"{name}: {first!r} has no fields; set {name.removesuffix(SEPARATOR + rest)}")
        value = _replace(inner, rest, value, name)
    try:
        return settings.updated(**{first: value})
    except ValidationError as error:
        raise InputError(f"{name}={value!r}: {setting_problem(error)}") from error
