import pytest
import torch

from ebmood.core.errors import DataWarning
from ebmood.training import Batches


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_an_epoch_has_every_row_once_without_the_last_incomplete_batch():
    batches = Batches(torch.arange(10.0)[:, None], torch.arange(10), 4, generator())
    assert batches.per_epoch == 2
    epochs = [[next(batches) for _ in range(2)] for _ in range(3)]
    for epoch in epochs:
        assert len(torch.cat([batch.y for batch in epoch]).unique()) == 8
        assert all(torch.equal(batch.x[:, 0].long(), batch.y) for batch in epoch)
    assert len({tuple(torch.cat([b.y for b in epoch]).tolist()) for epoch in epochs}) == 3


def test_fewer_rows_than_the_batch_size_reduce_it_with_a_warning():
    with pytest.warns(DataWarning, match="3 training rows: batches have 3 rows, not 512"):
        batches = Batches(torch.zeros(3, 1), None, 512, generator())
    assert next(iter(batches)).x.shape == (3, 1)


def test_restore_continues_after_the_batch_before_state():
    rows = torch.arange(10.0)[:, None]
    first, second = Batches(rows, None, 4, generator()), Batches(rows, None, 4, torch.Generator())
    for _ in range(3):
        next(first)
    second.restore(*first.state())
    for _ in range(5):
        assert torch.equal(next(first).x, next(second).x)


def test_prepare_is_applied_to_the_rows():
    batches = Batches(torch.ones(4, 1), None, 4, generator(), prepare=lambda rows: 2 * rows)
    assert torch.equal(next(batches).x, torch.full((4, 1), 2.0))
