"""What a user sets about the columns of a table, by name or pattern."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ebmood.core.errors import InputError
from ebmood.detector.io.column_names import match_columns
from ebmood.embedders import EmbedderIdentity, open_embedder

TEXT_EMBEDDER = "wordllama"
"""The embedder of texts by default."""


@dataclass(frozen=True)
class Choices:
    """What a user sets about the columns of a table. Each entry is a name, or a pattern such as `id_*`.

    Attributes:
        drop: columns to leave out.
        numbers: columns to read as numbers.
        categories: columns to read as categories.
        dates: columns to read as dates.
        missing: further words for missing values.
        label_column: the class of each row, which is not a feature.
        texts: columns whose texts are embedded.
        embedder: identity of the embedder of these texts; None for `TEXT_EMBEDDER`.
    """

    drop: Collection[str] = ()
    numbers: Collection[str] = ()
    categories: Collection[str] = ()
    dates: Collection[str] = ()
    missing: Sequence[str] = ()
    label_column: str | None = None
    texts: Collection[str] = ()
    embedder: EmbedderIdentity | None = None

    def resolve(self, names: Sequence[str], source: str) -> "Choices":
        """Return the choices with names instead of patterns, each column once, and with an embedder if there are texts.

        The label column becomes one of the columns to leave out. A name decides before a pattern. Among patterns, those
        of `drop` decide first, then those of `categories`, `dates` and `numbers`.

        Raises:
            InputError: a name or pattern matches no column, or a column is named twice.
        """
        options = {
            "drop": "--drop",
            "categories": "--category",
            "dates": "--date",
            "numbers": "--number",
            "texts": "--text",
        }
        matches = {
            parameter: match_columns(getattr(self, parameter), names, source, option)
            for parameter, option in options.items()
        }
        chosen: dict[str, str] = {}
        for parameter in options:
            for name in (entry for entry in getattr(self, parameter) if entry in names):
                if chosen.setdefault(name, parameter) != parameter:
                    raise InputError(
                        f"{source}: column {name!r} is in {chosen[name]} and in {parameter}, which contradict each "
                        "other; name it once"
                    )
        for parameter, matching in matches.items():
            for name in matching:
                chosen.setdefault(name, parameter)
        chosen |= dict.fromkeys(self.label_columns(names, source), "drop")

        def columns(parameter: str) -> list[str]:
            return [name for name in names if chosen.get(name) == parameter]

        texts, embedder = frozenset(columns("texts")), self.embedder
        if texts and embedder is None:
            embedder = open_embedder(TEXT_EMBEDDER).identity
        if embedder is not None and embedder.items != "texts":
            raise InputError(f"{source}: {embedder.name} embeds images, not texts; give {TEXT_EMBEDDER}")
        return replace(
            self,
            drop=tuple(columns("drop")),
            numbers=frozenset(columns("numbers")),
            categories=frozenset(columns("categories")),
            dates=frozenset(columns("dates")),
            missing=tuple(word.strip().lower() for word in self.missing),
            texts=texts,
            embedder=embedder,
        )

    def label_columns(self, names: Sequence[str], source: str) -> list[str]:
        """Return the names of columns that match `label_column`.

        Raises:
            InputError: it is set, and matches no column.
        """
        labels = [] if self.label_column is None else [self.label_column]
        return match_columns(labels, names, source, "--label-column")


AUTOMATIC = Choices()
"""The values of a column decide what it holds."""
