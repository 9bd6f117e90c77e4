"""A progress bar on standard error for one command; nothing where that is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(doing: str) -> Iterator[Callable[[str, float | None], None]]:
    """A bar that is there at once and gone at the end.

    Args:
        doing: what goes on first.

    Yields:
        A function to tell what goes on, and how far that is: 0 to 1, or None where nobody knows.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        now = doing

        def tell(doing: str, share: float | None) -> None:
            nonlocal now
            if doing != now:
                now = doing
                progress.reset(task, description=doing, total=None)
            progress.update(task, total=None if share is None else 1.0, completed=share or 0.0)

        yield tell
