"""A feed of images or arrays, which are scored source by source: cut into batches, and continued where it stopped."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from ebmood.core.errors import InputError
from ebmood.detector.score_batch import ScoreBatch


@dataclass(frozen=True)
class ScoredPart:
    """Consecutive inputs of a source with their scores.

    Attributes:
        batch: N scores.
        identities: N texts that tell inputs apart, such as their paths or digests.
        labels: names of the inputs, such as their paths; None if they have none.
    """

    batch: ScoreBatch
    identities: Sequence[str]
    labels: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.identities)

    def cut(self, start: int, stop: int) -> "ScoredPart":
        """Return the inputs from `start` to `stop`."""
        batch, labels = self.batch, self.labels
        return ScoredPart(
            ScoreBatch(batch.scores[start:stop], batch.p_values[start:stop], batch.flags[start:stop]),
            self.identities[start:stop],
            None if labels is None else labels[start:stop],
        )


@dataclass(frozen=True)
class ScoredSource:
    """A file or folder of inputs.

    Attributes:
        path: where it is.
        parts: computes the scores of its inputs in order.
    """

    path: Path
    parts: Callable[[], Iterator[ScoredPart]]


@dataclass(frozen=True)
class ScoredFeedBatch:
    """Consecutive inputs of a feed.

    Attributes:
        batch: N scores.
        label: the name of the first input, or None.
    """

    batch: ScoreBatch
    label: str | None


class ScoredFeed:
    """Read a feed batch by batch. `position` says which inputs were given out, and their SHA-256.

    A source that grew since then is continued after these inputs; they are scored again.

    Args:
        sources: files or folders in the order of time.
        rows: number of inputs of a batch.
        position: the result of `position()` at an earlier time; None for a new feed.

    Raises:
        InputError: a source is given twice.
    """

    def __init__(self, sources: Sequence[ScoredSource], rows: int, position: JsonValue = None):
        for i, source in enumerate(sources):
            if source.path in [other.path for other in sources[:i]]:
                raise InputError(f"{source.path}: is given twice; give each source once")
        self.sources, self.rows = sources, rows
        known = position.get("sources") if isinstance(position, dict) else None
        self._before: Mapping[str, JsonValue] = known if isinstance(known, dict) else {}
        self._given: dict[str, dict[str, JsonValue]] = {}

    def position(self) -> JsonValue:
        """Return what was given out so far, as JSON."""
        return {"sources": {**self._before, **self._given}}

    def batches(self) -> Iterator[ScoredFeedBatch]:
        """Yield the batches. After each, `position` includes its inputs.

        Raises:
            EbmoodError: a source cannot be used, or the inputs that were given out earlier have changed.
        """
        waiting: list[tuple[str, ScoredPart, hashlib._Hash]] = []
        held = 0
        for key, part, digest in self._new_parts():
            start = 0
            while start < len(part):
                stop = min(len(part), start + self.rows - held)
                waiting.append((key, part.cut(start, stop), digest))
                held += stop - start
                start = stop
                if held == self.rows:
                    yield self._batch(waiting)
                    waiting, held = [], 0
        if waiting:
            yield self._batch(waiting)

    def _new_parts(self) -> Iterator[tuple[str, ScoredPart, "hashlib._Hash"]]:
        """Yield the inputs that were not given out earlier, with the digest of all inputs of their source before."""
        for source in self.sources:
            key = str(source.path.expanduser().resolve())
            skip, expected = self._earlier(key)
            digest = hashlib.sha256()
            for part in source.parts():
                skipped = min(skip, len(part))
                _add(digest, part.identities[:skipped])
                skip -= skipped
                if skipped and not skip and digest.hexdigest() != expected:
                    raise InputError(
                        f"{source.path}: its first inputs are not those that were watched before; give the same "
                        "source, or a new --state"
                    )
                if skipped < len(part):
                    yield key, part.cut(skipped, len(part)), digest
            if skip:
                raise InputError(
                    f"{source.path}: has {skip} inputs fewer than before; give the same source, or a new --state"
                )

    def _earlier(self, key: str) -> tuple[int, str]:
        before = self._before.get(key)
        if not isinstance(before, dict) or not isinstance(rows := before.get("rows"), int):
            return 0, ""
        return rows, str(before.get("sha256"))

    def _batch(self, waiting: Sequence[tuple[str, ScoredPart, "hashlib._Hash"]]) -> ScoredFeedBatch:
        for key, part, digest in waiting:
            _add(digest, part.identities)
            before = self._given.get(key, {}).get("rows", self._earlier(key)[0])
            assert isinstance(before, int)
            self._given[key] = {"rows": before + len(part), "sha256": digest.hexdigest()}
        parts = [part for _, part, _ in waiting]
        batches, labels = [part.batch for part in parts], parts[0].labels
        joined = ScoreBatch(
            np.concatenate([batch.scores for batch in batches]),
            np.concatenate([batch.p_values for batch in batches]),
            np.concatenate([batch.flags for batch in batches]),
        )
        return ScoredFeedBatch(joined, None if labels is None else labels[0])


def _add(digest: "hashlib._Hash", identities: Sequence[str]) -> None:
    for identity in identities:
        digest.update(f"{identity}\n".encode(errors="surrogatepass"))
