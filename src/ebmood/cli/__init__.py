"""The command line. Each command imports heavy libraries only when it runs."""

import sys
import warnings

from ebmood.core.errors import (
    CalibrationWarning,
    DataWarning,
    DegenerateObjectiveWarning,
    EbmoodError,
    RollbackWarning,
    SelfTestWarning,
)

_ONE_LINE = (
    CalibrationWarning,
    DataWarning,
    DegenerateObjectiveWarning,
    FutureWarning,
    RollbackWarning,
    SelfTestWarning,
)
"""Warnings about the user's data and settings; the location in the code does not help to correct them."""


def main() -> None:
    """Run the command line. Errors in the input of the user are printed in one line on stderr, with exit code 2."""
    from ebmood.cli.app import app

    default = warnings.showwarning

    def show_warning(message, category, filename, lineno, file=None, line=None):
        if issubclass(category, _ONE_LINE):
            print(f"ebmood: warning: {_one_line(message)}", file=sys.stderr)
        else:
            default(message, category, filename, lineno, file, line)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            app()
    except EbmoodError as error:
        print(f"ebmood: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
