"""A progress bar on standard error. It is shown only on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(stage: str) -> Iterator[Callable[[str, float | None], None]]:
    """Show a progress bar while the block runs.

    Args:
        stage: name of the first stage of the work.

    Yields:
        A progress callback: called with the name of the current stage and its completed fraction, 0 to 1, or None if
        the fraction is unknown.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(stage, total=None)
        current = stage

        def update(stage: str, fraction: float | None) -> None:
            nonlocal current
            if stage != current:
                current = stage
                bar.reset(task, description=stage, total=None)
            bar.update(task, total=None if fraction is None else 1.0, completed=fraction or 0.0)

        yield update
