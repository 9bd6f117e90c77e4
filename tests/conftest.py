import pytest
import torch

from ebmood.fast.native import library


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _libraries(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cache(_libraries):
    """Use a temporary cache folder, shared by all tests, so that each library is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EBMOOD_CACHE", str(_libraries))
        library.cache_clear()
        yield _libraries
    library.cache_clear()


@pytest.fixture
def noise() -> torch.Generator:
    return torch.Generator().manual_seed(20211)
