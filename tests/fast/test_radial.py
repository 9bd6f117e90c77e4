"""Compiled radial layers: the plain losses, found again by the next process, and eager where they cannot be."""

import copy
import ctypes
import importlib.util
import os
import pickle
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from ebmood.fast.native import OPTIONS, compiler, library
from ebmood.fast.radial import SHARED, pays
from ebmood.models import Radial, RadialFlow
from ebmood.objectives import Likelihood
from ebmood.training import Training, make_fabric
from ebmood.training.run import Run

HERE = Path(__file__).parent
needs_a_compiler = pytest.mark.skipif(
    compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)"
)
in_both_precisions = pytest.mark.parametrize(
    ("dtype", "steps", "near"), [(torch.float64, 50, 1e-9), (torch.float32, 3, 2e-4)]
)


def _from(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = _from(HERE.parents[1] / "benchmarks" / "plain.py")
compiled_run = _from(HERE / "compiled_run.py")


def a_flow(compiled: bool | None, dtype=torch.float64) -> RadialFlow:
    """One with layers that move points a lot, told to expect a long training."""
    torch.manual_seed(0)
    flow = RadialFlow(18, 20, compiled)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    flow.to(dtype).expect(10_000, 64)
    return flow


@needs_a_compiler
@in_both_precisions
def test_training_has_the_losses_of_the_plain_flow(cache, dtype, steps, near):
    flow = a_flow(True, dtype)
    layers = [
        tuple(nn.Parameter(part.detach().clone()) for part in layer)
        for layer in zip(flow.centre, flow.raw_alpha, flow.raw_beta, strict=True)
    ]
    x = torch.rand(64, 18, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)
    objective = Likelihood().build(flow, 1, (18,), 0)
    run = Run(objective, x, None, Training(steps=steps, batch_size=64, warmup=0), 0, make_fabric("cpu"), ())
    theirs = torch.optim.AdamW([part for layer in layers for part in layer], lr=1e-3, weight_decay=0.0)
    assert flow._compiled_layers is not None
    for _ in range(steps):
        expected = -plain.radial_log_density(layers, x).mean()
        loss = run.train_step(measure=False)[0]["density/loss"]
        torch.testing.assert_close(loss, expected.detach(), rtol=near, atol=near)
        theirs.zero_grad()
        expected.backward()
        theirs.step()


@needs_a_compiler
def test_gradients_are_autograd_s_by_rows_and_parameters_and_at_a_centre(cache):
    found = []
    for compiled in (True, False):
        flow = a_flow(compiled)
        x = torch.randn(7, 18, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        x[0] = flow.centre[0].detach()  # where the norm has no gradient, and torch says zero
        x.requires_grad_()
        weights = torch.arange(1.0, 8.0, dtype=torch.float64)
        (flow.log_density(x) * weights).sum().backward()
        found.append([x.grad, *(parameter.grad for parameter in flow.parameters())])
    for ours, eager in zip(*found, strict=True):
        torch.testing.assert_close(ours, eager, rtol=1e-10, atol=1e-10)


@needs_a_compiler
def test_what_is_not_finite_stays_so(cache):
    flow = a_flow(True)
    x = torch.zeros(3, 18, dtype=torch.float64)
    x[1, 4], x[2, 4] = torch.inf, torch.nan
    assert flow.log_density(x).isfinite().tolist() == [True, False, False]


@needs_a_compiler
def test_rows_of_another_width_are_refused(cache):
    with pytest.raises(RuntimeError, match="size"):
        a_flow(True).log_density(torch.zeros(3, 17, dtype=torch.float64))


@needs_a_compiler
def test_scores_and_copies_and_pickles_are_eager_and_the_state_is_the_same(cache):
    flow, eager = a_flow(True), a_flow(False)
    x = torch.rand(9, 18, dtype=torch.float64)
    assert flow.state_dict().keys() == eager.state_dict().keys()
    for other in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        assert other._compiled_layers is None
        assert torch.equal(other.log_density(x), eager.log_density(x))
    assert torch.equal(flow.eval().log_density(x), eager.log_density(x))


def test_another_process_without_a_compiler(cache, tmp_path):
    """Compiled, to the same bits, where one before it has; else eager, and one line says why."""
    before, mine = compiled_run.trained(compiled=True)
    done = subprocess.run(
        [sys.executable, HERE / "compiled_run.py", cache, tmp_path],
        env={name: value for name, value in os.environ.items() if name != "CXX"} | {"PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    theirs_with_ours, theirs_alone = (line.split() for line in done.stdout.splitlines())
    assert theirs_with_ours == [before, *mine]
    assert before == ("compiled" if compiler() else "eager")
    assert theirs_alone == ["eager", *compiled_run.trained(compiled=False)[1]]
    missing = "no C++ compiler: g++, c++ and clang++ not found"
    line = f"radial.cpp: not compiled ({missing}); computing eagerly, which is slower"
    assert done.stderr.splitlines() == [line] * (1 if compiler() else 2)


@needs_a_compiler
def test_what_does_not_compile_or_load_is_one_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("int f( { return 1; }\n")
    assert library(wrong, torch.float32) is None
    assert "wrong.cpp: not compiled" in caplog.messages[0]
    assert "error" in caplog.messages[0]
    lost = tmp_path / "lost.cpp"
    lost.write_text('extern "C" int nowhere(); extern "C" int f() { return nowhere(); }\n')
    assert library(lost, torch.float32) is None
    assert "nowhere" in caplog.messages[1]
    assert len(caplog.messages) == 2
    assert all("\n" not in line for line in caplog.messages)
    assert {path.suffix for path in (tmp_path / "compiled").iterdir()} == {".so"}  # no temporary file is left


@needs_a_compiler
def test_two_threads_that_compile_at_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    slow = tmp_path / "slow"  # so that neither is done before both are under way
    slow.write_text(f'#!/bin/sh\n{shlex.join(compiler() or [])} "$@"\nsleep 1\n')
    slow.chmod(0o755)
    monkeypatch.setenv("CXX", str(slow))
    source = tmp_path / "nothing.cpp"
    source.write_text('extern "C" double half(double x) { return x / 2; }\n')
    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(library.__wrapped__, [source] * 2, [torch.float32] * 2))
    assert caplog.messages == []
    (kept,) = (tmp_path / "compiled").iterdir()
    assert kept.suffix == ".so"


@needs_a_compiler
def test_a_header_that_changes_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    source, header = tmp_path / "nothing.cpp", tmp_path / "one.h"
    source.write_text('#include "one.h"\nextern "C" int one() { return ONE; }\n')
    found = []
    for number in (1, 2):
        header.write_text(f"#define ONE {number}\n")
        code = library.__wrapped__(source, torch.float32)
        assert code is not None
        found.append(code.one())
    assert found == [1, 2]


@needs_a_compiler
def test_loading_leaves_small_numbers_alone(tmp_path, monkeypatch):
    """-ffast-math would flush them to zero in the whole process."""
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    source = tmp_path / "nothing.cpp"
    source.write_text('extern "C" double half(double x) { return x / 2; }\n')
    code = library(source, torch.float32)
    assert code is not None
    code.half.restype, code.half.argtypes = ctypes.c_double, [ctypes.c_double]
    smallest_normal = sys.float_info.min
    assert code.half(smallest_normal) == smallest_normal / 2 > 0
    assert "-ffast-math" not in OPTIONS


def test_short_trainings_are_eager_and_long_ones_are_not_unless_it_is_chosen(monkeypatch):
    assert not pays(750, 20, 512 * 48)
    assert pays(751, 20, 512 * 48)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert not pays(10_000, 20, SHARED)  # eager work would be spread over both
        assert pays(10_000, 20, SHARED - 1)
    finally:
        torch.set_num_threads(threads)
    assert a_flow(False)._compiled_layers is None
    short = RadialFlow(2, 20)
    short.expect(750, 512)
    assert short._compiled_layers is None


@needs_a_compiler
def test_a_long_training_compiles_unasked_and_a_flow_on_its_own_never(cache):
    assert a_flow(None)._compiled_layers is not None
    assert RadialFlow(18, 20, True)._compiled_layers is None


def test_keys_of_cells_do_not_know_the_default():
    assert "compiled" not in Radial().model_dump(mode="json", exclude_none=True)


@needs_a_compiler
def test_many_layers_that_pull_hard_neither_overflow_nor_vanish(cache):
    flow = RadialFlow(18, 300, True).double()
    with torch.no_grad():
        flow.centre.copy_(torch.randn(300, 18, generator=torch.Generator().manual_seed(0)))
        flow.raw_alpha.fill_(200.0)
        flow.raw_beta.fill_(-20.0)  # every layer leaves a thirtieth of the distance to its centre
    flow.expect(10_000, 8)
    x = torch.rand(8, 18, dtype=torch.float64)
    z, log_det = flow.train().transform(x)
    assert flow._compiled_layers is not None
    there, eagerly = flow.eval().transform(x)
    assert float(eagerly.max().detach()) < 18 * -700
    torch.testing.assert_close(z, there)
    torch.testing.assert_close(log_det, eagerly)
