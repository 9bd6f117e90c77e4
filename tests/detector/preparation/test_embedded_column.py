"""A column of text as the features of an embedder."""

import warnings

import numpy as np
import pyarrow
import pytest

from ebmood import EbmoodError
from ebmood.core.errors import DataWarning
from ebmood.detector.preparation import EmbeddedColumn, Preparation
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.decide import decide
from ebmood.embedders import EmbedderIdentity, open_embedder

pytest.importorskip("tokenizers")
pytest.importorskip("wordllama")

TEXTS = ["a cold room", None, "a clean bed", "a cold room"]


@pytest.fixture(scope="module")
def column():
    return EmbeddedColumn(name="review", embedder=open_embedder("wordllama").identity)


def test_features_are_those_of_the_embedder_and_a_missing_text_is_empty(column):
    reading = column.read(pyarrow.array(TEXTS), ())
    assert not reading.errors
    assert tuple(reading.features) == column.features
    expected = open_embedder("wordllama").embed([text or "" for text in TEXTS])
    np.testing.assert_array_equal(np.column_stack(list(reading.features.values())), expected)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [(["1,5", "2,5", None], "numbers"), ([1, 2, 3], "numbers"), (["2024-01-01", "2024-05-01"], "dates")],
)
def test_numbers_and_dates_that_are_read_as_words_give_a_note(column, cells, kind):
    choices = Choices(texts=frozenset(["review"]), embedder=column.embedder)
    with pytest.warns(DataWarning, match=f"column 'review' holds {kind}, which texts= reads as words"):
        decide({"review": pyarrow.array(cells)}, choices)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decide({"review": pyarrow.array(TEXTS)}, choices)


def test_a_preparation_keeps_its_embedder_in_json(column):
    preparation = Preparation(columns=(column,))
    again = Preparation.model_validate_json(preparation.model_dump_json())
    assert again == preparation
    assert len(again.features) == 256


def test_another_version_of_the_embedder_is_refused(column):
    changed = column.updated(embedder=column.embedder.updated(sha256="0" * 64))
    with pytest.raises(EbmoodError, match="wordllama: is not the embedder of the fit"):
        changed.open()


def test_a_text_column_may_not_have_another_kind_or_embedder():
    choices = Choices(texts=["review"], categories=["review"])
    with pytest.raises(EbmoodError, match="in categories and in texts, which contradict each other"):
        choices.resolve(["review"], "t.csv")
    images = EmbedderIdentity(name="a", items="images", dimension=2, sha256="0" * 64)
    with pytest.raises(EbmoodError, match="a embeds images, not texts"):
        Choices(texts=["review"], embedder=images).resolve(["review"], "t.csv")
