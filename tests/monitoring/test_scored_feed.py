"""Feeds of scored inputs: how they are cut into batches, and how they go on."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmood.core.errors import InputError
from ebmood.detector.score_batch import ScoreBatch
from ebmood.monitoring.scored_feed import ScoredFeed, ScoredPart, ScoredSource


def source(name: str, inputs: list[str], part: int = 4) -> ScoredSource:
    """A source whose scores are the numbers of its inputs, and that scores `part` inputs at a time."""

    def parts():
        for start in range(0, len(inputs), part):
            names = inputs[start : start + part]
            scores = np.array([float(text[1:]) for text in names])
            yield ScoredPart(ScoreBatch(scores, scores / 100, scores > 7), names, names)

    return ScoredSource(Path(name), parts)


def names(first: int, last: int) -> list[str]:
    return [f"i{number}" for number in range(first, last)]


def read(feed: ScoredFeed) -> list[tuple[str | None, list[float]]]:
    return [(batch.label, batch.batch.scores.tolist()) for batch in feed.batches()]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 5))
def test_batches_hold_all_inputs_in_order(sizes, rows, part):
    ends = np.cumsum([0, *sizes]).tolist()
    sources = [source(f"s{i}", names(*pair), part) for i, pair in enumerate(pairwise(ends))]
    batches = read(ScoredFeed(sources, rows))
    assert [score for _, scores in batches for score in scores] == list(range(ends[-1]))
    assert all(len(scores) == rows for _, scores in batches[:-1])
    assert [label for label, _ in batches] == [f"i{int(scores[0])}" for _, scores in batches]


def test_p_values_and_flags_belong_to_their_scores():
    batch = next(ScoredFeed([source("s", names(0, 10), 3)], 10).batches()).batch
    np.testing.assert_array_equal(batch.p_values, batch.scores / 100)
    np.testing.assert_array_equal(batch.flags, batch.scores > 7)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 4), st.integers(1, 4))
def test_a_source_that_grew_is_continued(before, more, rows, part):
    first = ScoredFeed([source("s", names(0, before), part)], rows)
    read(first)
    grown = [source("s", names(0, before + more), part + 1), source("t", names(50, 53))]
    second = ScoredFeed(grown, rows, first.position())
    expected = [*range(before, before + more), 50, 51, 52]
    assert [score for _, scores in read(second) for score in scores] == expected
    assert read(ScoredFeed(grown, rows, second.position())) == []


def test_a_feed_that_stops_between_batches_goes_on_after_them():
    sources = [source("s", names(0, 5)), source("t", names(5, 12))]
    feed = ScoredFeed(sources, 4)
    batches = feed.batches()
    next(batches), next(batches)
    assert read(ScoredFeed(sources, 4, feed.position())) == [("i8", [8, 9, 10, 11])]


def test_sources_that_are_not_watched_again_stay_in_the_position():
    first = ScoredFeed([source("s", names(0, 5))], 4)
    read(first)
    second = ScoredFeed([source("t", names(5, 9))], 4, first.position())
    read(second)
    assert read(ScoredFeed([source("s", names(0, 5))], 4, second.position())) == []


def test_changed_shortened_and_repeated_sources_are_refused():
    first = ScoredFeed([source("s", names(0, 5))], 4)
    read(first)
    with pytest.raises(InputError, match="s: its first inputs are not those that were watched before"):
        read(ScoredFeed([source("s", names(1, 9))], 4, first.position()))
    with pytest.raises(InputError, match="s: has 2 inputs fewer than before"):
        read(ScoredFeed([source("s", names(0, 3))], 4, first.position()))
    with pytest.raises(InputError, match="s: is given twice"):
        ScoredFeed([source("s", []), source("s", [])], 4)
