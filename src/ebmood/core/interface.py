"""Whether messages name options of the command line or parameters in Python. The default is Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_on_shell = ContextVar("on_shell", default=False)


@contextmanager
def shell_messages() -> Iterator[None]:
    """Let messages name options of the command line while the block runs."""
    token = _on_shell.set(True)
    try:
        yield
    finally:
        _on_shell.reset(token)


def for_interface(shell: str, python: str) -> str:
    """Return the text for the interface in use.

    >>> for_interface("--drop id", "X.drop(columns=['id'])")
    "X.drop(columns=['id'])"
    """
    return shell if _on_shell.get() else python
