import numpy as np
import pytest
import torch

from ebmood.detector.energy.chunks import CHUNK_ROWS, apply_in_chunks, round_scores


@pytest.mark.parametrize("rows", [1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_every_call_gets_the_same_number_of_rows(rows):
    lengths = []

    def total(chunk: torch.Tensor) -> torch.Tensor:
        lengths.append(len(chunk))
        return chunk.sum(1)

    x = np.random.default_rng(0).normal(size=(rows, 3))
    np.testing.assert_allclose(apply_in_chunks(total, x, "cpu"), x.sum(axis=1), rtol=1e-8, atol=1e-8)
    assert set(lengths) == {CHUNK_ROWS}


def test_rounding_removes_rounding_errors_and_keeps_nine_digits():
    x = np.random.default_rng(0).normal(size=1000) * 10.0 ** (np.arange(1000) % 12)
    noisy = x * (1 + 1e-15)
    assert (round_scores(noisy) == round_scores(x)).mean() > 0.99
    np.testing.assert_allclose(round_scores(x), x, rtol=1e-9, atol=1e-9)
