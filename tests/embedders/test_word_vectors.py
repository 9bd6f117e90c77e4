"""Word vectors against the package that ships them, and their invariances."""

import logging

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.embedders import EmbedderOptions, open_embedder
from ebmood.embedders.packages import package_file
from ebmood.embedders.word_vectors import TOKENISER, VECTORS

pytest.importorskip("tokenizers")
pytest.importorskip("wordllama")

TEXTS = ["the room was clean", "a noisy street at night", "segmentation fault in the kernel", "Größe: 3 µm"]


@pytest.fixture(scope="module")
def embedder():
    return open_embedder("wordllama")


def test_features_are_those_of_the_package(embedder):
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
    from wordllama.inference import WordLlamaInference

    # `WordLlama.load` of version 0.4 does not find the tokeniser of its own wheel, and would download one.
    vectors = load_file(package_file("wordllama", VECTORS, "", ""))["embedding.weight"]
    tokeniser = Tokenizer.from_file(str(package_file("wordllama", TOKENISER, "", "")))
    expected = WordLlamaInference(vectors, tokeniser).embed(TEXTS, norm=True)
    np.testing.assert_allclose(embedder.embed(TEXTS), expected, atol=1e-5)


def test_a_text_does_not_depend_on_others_and_has_length_one(embedder):
    together = embedder.embed(TEXTS * 400)
    np.testing.assert_array_equal(together[1202], embedder.embed(TEXTS[2:3])[0])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)


def test_a_text_without_tokens_is_zero_and_long_ones_are_not_cut(embedder):
    assert not embedder.embed([""]).any()
    long = embedder.embed(["clean room. " * 5000, "clean room. " * 5000 + "dirty " * 20000])
    assert not np.allclose(long[0], long[1], atol=0.05)


def test_similar_texts_are_closer(embedder):
    a, b, c = embedder.embed(
        ["the hotel room was dirty", "our bedroom was not clean", "stock prices fell on Monday"]
    )
    assert a @ b > a @ c + 0.2


def test_opening_changes_no_logging(embedder):
    assert embedder.identity.dimension == 256
    handlers = list(logging.getLogger().handlers)
    open_embedder("wordllama")
    assert logging.getLogger().handlers == handlers


def test_options_of_images_are_refused():
    with pytest.raises(EbmoodError, match="embeds texts"):
        open_embedder("wordllama", EmbedderOptions(image_size=8))
