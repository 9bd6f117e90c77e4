"""Run the command line in this process."""

import contextlib
import io
import sys

import pytest

from ebmood.cli import main


def run(patch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    """Return the exit code, stdout and stderr of `ebmood WORDS`."""
    patch.setattr(sys, "argv", ["ebmood", *map(str, words)])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0, out.getvalue(), err.getvalue()
