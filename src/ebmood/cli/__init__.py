"""The command line. Each command imports heavy libraries only when it runs."""

import contextlib
import os
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


def run() -> None:
    """Run the command line as a process: as `main`, but a failed process ends at once.

    A reader of Arrow reads ahead in a thread. If that thread calls Python while the interpreter shuts down, the process
    aborts, and its exit code is lost. After success the readers are at their ends.
    """
    try:
        main()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
        if not code:
            raise
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # the other end of a pipe is closed
                stream.flush()
        os._exit(code)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
