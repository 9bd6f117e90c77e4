"""Objects by import path, for settings that name a class or function of the user or of another package."""

import pkgutil
from typing import Any

from ebmood.core.errors import EbmoodError, one_line


def import_object(path: str, kind: str) -> Any:
    """Import and return the object at `path`, without calling it.

    Args:
        path: dotted path of a module's attribute.
        kind: what the object is, for the error message: `module`, `detector`.

    Raises:
        EbmoodError: the path cannot be imported.

    >>> import_object("torch.nn.Linear", "module")
    <class 'torch.nn.modules.linear.Linear'>
    """
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise EbmoodError(
            f"{kind} {path!r} cannot be imported ({describe(error)}); install its package, or put its file in "
            "the current folder; with a study, next to the study file"
        ) from error


def describe(error: Exception) -> str:
    """Return the type and the message of an error, in one line.

    >>> describe(ValueError("bad value"))
    'ValueError: bad value'
    """
    return one_line(f"{type(error).__name__}: {error}").rstrip(": ")
