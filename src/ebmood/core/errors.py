"""The errors and warnings of the package."""

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class EbmoodError(Exception):
    """An error that the user can correct. Its message is one line: what is wrong, where, and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """


class InputError(EbmoodError, ValueError, TypeError):
    """An error about rows or a parameter that an estimator cannot use.

    It is also a ValueError and a TypeError, because code that uses scikit-learn's estimators catches these.
    """


class DegenerateObjectiveWarning(UserWarning):
    """A constant log-density minimises the recipe's objective on its network, so the recipe cannot learn a density."""


class DataWarning(UserWarning):
    """The data have an unexpected property, such as a constant column or fewer rows than a batch, but can be used."""


class RollbackWarning(UserWarning):
    """Training diverged; it was rolled back to an earlier state and continued with new noise and lower rates."""


class CalibrationWarning(UserWarning):
    """There are too few calibration rows for the requested false-alarm rate."""


class SelfTestWarning(UserWarning):
    """The fitted detector rates inputs far outside its training rows as in-distribution."""


def warn(message: str, category: type[Warning]) -> None:
    """Issue a warning at the first line outside the package, which called it.

    Python shows equal warnings of one line once, so a line inside the package would hide those of a second detector.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "ebmood":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def one_line(error: BaseException | str) -> str:
    r"""Return the message of an error in one line of at most 200 characters, or the name of its class if it is empty.

    >>> one_line(ValueError("first\n  second"))
    'first second'
    >>> one_line(KeyboardInterrupt())
    'KeyboardInterrupt'
    """
    return " ".join(str(error).split())[:200] or type(error).__name__


def setting_problem(error: "ValidationError") -> str:
    """Return the first problem with settings, in one line, without what pydantic writes before it."""
    return one_line(error.errors()[0]["msg"]).removeprefix("Value error, ")
