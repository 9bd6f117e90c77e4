"""Static word vectors for texts: the mean of the vectors of the tokens of a text.

The vectors and the tokeniser are files of the package `wordllama` (MIT licence): 32,000 tokens with 256 numbers each,
distilled from the input embeddings of large language models (https://github.com/dleemiller/WordLlama). The order of the
words has no influence. The files are read without importing the package, which changes the logging of the process, and
nothing is downloaded.
"""

from collections.abc import Sequence

import numpy as np

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.imports import describe
from ebmood.embedders.embedder import EmbedderIdentity, Features, TextEmbedder
from ebmood.embedders.options import NO_OPTIONS, EmbedderOptions
from ebmood.embedders.packages import file_sha256, import_package, package_file

VECTORS = "weights/l2_supercat_256.safetensors"
TOKENISER = "tokenizers/l2_supercat_tokenizer_config.json"
TENSOR = "embedding.weight"
CHUNK_TEXTS = 1024
"""Texts that are split into tokens in one call."""


class WordLlama(TextEmbedder):
    """The vectors of WordLlama: 256 numbers for a text, of length 1. A text without tokens is the zero vector.

    Args:
        options: no option applies.

    Raises:
        EbmoodError: a package is not installed, its files are damaged, or an option does not apply.
    """

    NAME = "wordllama"
    ITEMS = "texts"
    EXTRA = "text"
    LICENCE = "MIT (vectors and tokeniser)"

    def __init__(self, options: EmbedderOptions = NO_OPTIONS):
        if options.output or options.image_size or options.pixels:
            raise InputError(f"{self.NAME}: embeds texts; leave out options of images")
        tokenizers = import_package("tokenizers", self.NAME, self.EXTRA)
        vectors = package_file("wordllama", VECTORS, self.NAME, self.EXTRA)
        tokeniser = package_file("wordllama", TOKENISER, self.NAME, self.EXTRA)
        from safetensors.numpy import load_file

        try:
            self._vectors = load_file(vectors)[TENSOR].astype(np.float32)
            self._tokeniser = tokenizers.Tokenizer.from_file(str(tokeniser))
        except Exception as error:  # tokenizers raises plain exceptions
            raise EbmoodError(
                f"{self.NAME}: the files of the package cannot be read ({describe(error)}); install it again"
            ) from error
        self._tokeniser.no_padding()
        self._tokeniser.no_truncation()
        self.identity = EmbedderIdentity(
            name=self.NAME,
            items="texts",
            dimension=self._vectors.shape[1],
            sha256=file_sha256(vectors, tokeniser),
        )

    def embed(self, texts: Sequence[str]) -> Features:
        """Return the features of texts: `(n, 256)`, float32."""
        features = np.zeros((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), CHUNK_TEXTS):
            chunk = list(texts[start : start + CHUNK_TEXTS])
            for row, tokens in enumerate(
                self._tokeniser.encode_batch(chunk, add_special_tokens=False), start
            ):
                if tokens.ids:
                    mean = self._vectors[tokens.ids].mean(0, dtype=np.float64)
                    features[row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return features
