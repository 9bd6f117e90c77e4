"""The command line. Each command imports heavy libraries only when it runs."""

import contextlib
import os
import re
import shlex
import signal
import sys
import warnings

from ebmood.core.errors import EbmoodError
from ebmood.core.interface import shell_messages
from ebmood.core.words import printable

_PARAMETER = re.compile(
    r"(?<![\w./'\"-])(alpha|calibration|contamination|delta|device|memory|run_length|score|segment|speed)="
    r"(?:'(?P<text>[^']*)'|(?P<word>[+-]?(?:\d[\d.]*(?:e[+-]?\d+)?%?|\w+(?::\d+)?)))(?![\w/%-]|\.\w)"
)
"""A parameter with its value in a message, not in a path or at the start of a quotation. Options have these names."""


def main() -> None:
    """Run the command line. Errors in the input of the user are printed in one line on stderr, with exit code 2.

    Warnings are one line as well: the location in the code does not help a user of the command line.
    """
    from ebmood.cli.app import app

    try:
        with warnings.catch_warnings(), shell_messages():
            warnings.showwarning = _show_warning
            app()
    except EbmoodError as error:
        print(f"ebmood: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def run() -> None:
    """Run the command line as a process: as `main`, but SIGTERM is Ctrl-C, and a failed process ends at once.

    A reader of Arrow reads ahead in a thread. If that thread calls Python while the interpreter shuts down, the process
    aborts, and its exit code is lost. After success the readers are at their ends.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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


def _show_warning(message: Warning | str, *location: object, **_: object) -> None:
    print(f"ebmood: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(message: object) -> str:
    """Return a message in one line, with options in place of the parameters of the estimator."""
    return printable(_PARAMETER.sub(_as_option, " ".join(str(message).split())))


def _as_option(match: re.Match[str]) -> str:
    """Return an option with its value, as it is typed."""
    word = match["word"]
    return f"--{match[1].replace('_', '-')} {shlex.quote(match['text']) if word is None else word}"
