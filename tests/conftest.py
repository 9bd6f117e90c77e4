import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def noise() -> torch.Generator:
    return torch.Generator().manual_seed(20211)
