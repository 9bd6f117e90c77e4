"""Faster radial layers: values and gradients of the reference, and when they are compiled."""

import pytest
import torch
from helpers.networks import needs_compiler, rows

from ebmood.fast import accelerate
from ebmood.fast.operation import Plan
from ebmood.fast.radial import THREADED, RadialKernels, operations
from ebmood.models import RadialFlow
from ebmood.objectives import Likelihood

COMPILE = pytest.mark.parametrize(
    "compile", [False, pytest.param(True, marks=needs_compiler)], ids=["python", "compiled"]
)


def strong_flow() -> RadialFlow:
    """A flow whose layers move points far."""
    torch.manual_seed(0)
    flow = RadialFlow(18, 20).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return flow


def accelerated(flow: RadialFlow, compile: bool):
    return accelerate(Likelihood().build(flow, 1, (18,), 0), 10, 8, compile)


@COMPILE
def test_gradients_of_rows_and_parameters(compile, cache):
    """A row at the centre of a layer too, where the norm has no derivative and torch's gradient is zero."""
    results = []
    for fast in (False, True):
        flow, x = strong_flow(), rows(7, 18)
        x[0] = flow.centre[0].detach()
        x.requires_grad_()
        weights = torch.arange(1.0, 8.0, dtype=torch.float64)
        if fast:
            with accelerated(flow, compile):
                (flow.log_density(x) * weights).sum().backward()
        else:
            (flow.log_density(x) * weights).sum().backward()
        results.append([x.grad, *(parameter.grad for parameter in flow.parameters())])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


@COMPILE
def test_values_that_are_not_finite_stay_so(compile, cache):
    x = torch.zeros(3, 18, dtype=torch.float64)
    x[1, 4], x[2, 4] = torch.inf, torch.nan
    flow = strong_flow()
    with accelerated(flow, compile):
        assert flow.log_density(x).isfinite().tolist() == [True, False, False]


@COMPILE
def test_rows_of_another_width_are_refused(compile, cache):
    flow = strong_flow()
    with accelerated(flow, compile), pytest.raises(RuntimeError, match="size"):
        flow.log_density(torch.zeros(3, 17, dtype=torch.float64))


@needs_compiler
def test_many_contracting_layers_neither_overflow_nor_underflow(cache):
    flow = RadialFlow(18, 300).double()
    with torch.no_grad():
        flow.centre.copy_(torch.randn(300, 18, generator=torch.Generator().manual_seed(0)))
        flow.raw_alpha.fill_(200.0)
        flow.raw_beta.fill_(-20.0)  # every layer keeps a thirtieth of the distance to its centre
    x = torch.rand(8, 18, dtype=torch.float64)
    expected = flow.eval().transform(x)
    assert float(expected[1].max().detach()) < 18 * -700
    with accelerated(flow.train(), True):
        torch.testing.assert_close(flow.transform(x), expected)


def compiles(flow: RadialFlow, steps: int, batch: int, monkeypatch) -> bool:
    loads = []
    monkeypatch.setattr(RadialKernels, "load", classmethod(lambda cls, dtype: loads.append(dtype)))
    list(operations(Plan(Likelihood().build(flow, 1, (18,), 0), steps, batch, None)))
    return bool(loads)


def test_long_trainings_are_compiled_where_torch_would_use_one_thread(monkeypatch):
    flow = RadialFlow(48, 20)
    assert not compiles(flow, 500, 512, monkeypatch)
    assert compiles(flow, 501, 512, monkeypatch)
    large = THREADED // 48 + 1
    try:
        torch.set_num_threads(2)
        assert not compiles(flow, 10_000, large, monkeypatch)
        assert compiles(flow, 10_000, large - 1, monkeypatch)
    finally:
        torch.set_num_threads(1)
