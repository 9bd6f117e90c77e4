"""Show the examples of docstrings as code in the API reference (an extension of griffe, see zensical.toml)."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1[^\n]*\S)*", re.MULTILINE)


class DoctestBlocks(griffe.Extension):
    """Put every paragraph that starts with `>>>` into a fenced block."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", obj.docstring.value)
