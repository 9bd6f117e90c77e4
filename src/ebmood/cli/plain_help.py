"""Help texts without markup: brackets are shown as they are written, with and without rich."""

import re
from collections.abc import Iterable
from typing import Any

import typer.core
from rich.markup import escape


class PlainCommand(typer.core.TyperCommand):
    """A command whose help texts contain no markup. Headings of examples become bold."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        _escape(self, self.params)


class PlainGroup(typer.core.TyperGroup):
    """A group of commands whose help texts contain no markup."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        _escape(self, self.params)


def _escape(command: PlainCommand | PlainGroup, parameters: Iterable[Any]) -> None:
    """Escape the brackets of all texts of a command, if rich reads them."""
    if not getattr(typer.core, "HAS_RICH", True):  # the environment variable TYPER_USE_RICH is 0
        return
    command.help = _text(command.help)
    command.epilog = _text(command.epilog)
    for parameter in parameters:
        if getattr(parameter, "help", None):
            parameter.help = _text(parameter.help)


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    return re.sub(r"^(Examples?)$", r"[bold]\1[/bold]", escape(text), flags=re.MULTILINE)
