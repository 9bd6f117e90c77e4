"""Optional bfloat16, on processors that support it."""

import logging

import pytest
import torch

from ebmood.networks import precision


@pytest.fixture(autouse=True)
def _cleared_cache():
    precision.supports_bf16.cache_clear()
    yield
    precision.supports_bf16.cache_clear()


def dtype_of_product(name) -> torch.dtype:
    a = torch.ones(2, 2)
    with precision.autocast(name, a.device):
        return (a @ a).dtype


def set_processor(monkeypatch, with_bf16: bool) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: with_bf16)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: with_bf16, raising=False)


def test_products_are_in_bfloat16_on_request(monkeypatch):
    set_processor(monkeypatch, with_bf16=True)
    assert dtype_of_product("bf16") is torch.bfloat16
    assert dtype_of_product(None) is torch.float32


def test_an_unsupported_processor_computes_in_float32_and_logs_one_line(monkeypatch, caplog):
    set_processor(monkeypatch, with_bf16=False)
    with caplog.at_level(logging.WARNING):
        assert dtype_of_product("bf16") is torch.float32
        assert dtype_of_product("bf16") is torch.float32
    assert [record.message for record in caplog.records] == [
        "this processor does not multiply in bfloat16: computing in float32, which is faster here"
    ]
