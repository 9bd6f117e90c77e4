"""The shell: `ebmood study`, `ebmood tables`. Heavy libraries load when a command needs them."""

import sys
import warnings

from ebmood.core.errors import DataWarning, DegenerateObjectiveWarning, EbmoodError, RollbackWarning


def main() -> None:
    """Run the command line. What the user can mend is told in one line on stderr, with exit code 2."""
    from ebmood.cli.app import app

    plain = warnings.showwarning

    def tidy(message, category, filename, lineno, file=None, line=None):
        if issubclass(category, DataWarning | DegenerateObjectiveWarning | FutureWarning | RollbackWarning):
            print(f"ebmood: warning: {_one_line(message)}", file=sys.stderr)
        else:
            plain(message, category, filename, lineno, file, line)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = tidy
            app()
    except EbmoodError as error:
        print(f"ebmood: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
