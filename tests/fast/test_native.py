"""How C++ libraries are compiled, cached and loaded."""

import ctypes
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers.networks import needs_compiler

from ebmood.fast.native import OPTIONS, compiler, library

pytestmark = needs_compiler

LOAD_RADIAL = """
import logging, sys, torch
from ebmood.fast.radial import RadialKernels
print("compiled" if RadialKernels.load(torch.float64) else "python")
"""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_the_next_process_needs_no_compiler(cache, tmp_path):
    from ebmood.fast.radial import RadialKernels

    assert RadialKernels.load(torch.float64) is not None
    for folder, expected in ((cache, "compiled"), (tmp_path, "python")):
        environment = {name: value for name, value in os.environ.items() if name != "CXX"}
        done = subprocess.run(
            [sys.executable, "-c", LOAD_RADIAL],
            env=environment | {"PATH": "", "EBMOOD_CACHE": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [expected]
        missing = "radial.cpp: not compiled (no C++ compiler: g++, c++ and clang++ not found)"
        lines = [] if expected == "compiled" else [f"{missing}; using slower Python code"]
        assert done.stderr.splitlines() == lines


def test_an_error_of_the_compiler_or_the_loader_is_one_line(own_cache, caplog):
    wrong = own_cache / "wrong.cpp"
    wrong.write_text("int f( { return 1; }\n")
    assert library(wrong, torch.float32) is None
    assert "wrong.cpp: not compiled" in caplog.messages[0]
    assert "error" in caplog.messages[0]
    unresolved = own_cache / "unresolved.cpp"
    unresolved.write_text('extern "C" int missing(); extern "C" int f() { return missing(); }\n')
    assert library(unresolved, torch.float32) is None
    assert "missing" in caplog.messages[1]
    assert len(caplog.messages) == 2
    assert all("\n" not in line for line in caplog.messages)
    assert {path.suffix for path in (own_cache / "compiled").iterdir()} == {
        ".so"
    }  # no temporary file remains


def test_two_threads_that_compile_at_once(own_cache, monkeypatch, caplog):
    slow = own_cache / "slow"  # so that both start before one finishes
    slow.write_text(f'#!/bin/sh\n{shlex.join(compiler() or [])} "$@"\nsleep 1\n')
    slow.chmod(0o755)
    monkeypatch.setenv("CXX", str(slow))
    source = own_cache / "half.cpp"
    source.write_text('extern "C" double half(double x) { return x / 2; }\n')
    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(library.__wrapped__, [source] * 2, [torch.float32] * 2))
    assert caplog.messages == []
    (target,) = (own_cache / "compiled").iterdir()
    assert target.suffix == ".so"


def test_a_changed_header_is_compiled_again(own_cache):
    source, header = own_cache / "one.cpp", own_cache / "one.h"
    source.write_text('#include "one.h"\nextern "C" int one() { return ONE; }\n')
    results = []
    for number in (1, 2):
        header.write_text(f"#define ONE {number}\n")
        code = library.__wrapped__(source, torch.float32)
        assert code is not None
        results.append(code.one())
    assert results == [1, 2]


def test_subnormal_numbers_survive(own_cache):
    """-ffast-math would flush them to zero in the whole process."""
    source = own_cache / "half.cpp"
    source.write_text('extern "C" double half(double x) { return x / 2; }\n')
    code = library(source, torch.float32)
    assert code is not None
    code.half.restype, code.half.argtypes = ctypes.c_double, [ctypes.c_double]
    smallest_normal = sys.float_info.min
    assert code.half(smallest_normal) == smallest_normal / 2 > 0
    assert "-ffast-math" not in OPTIONS


def test_vectors_are_as_wide_as_those_of_torch(own_cache, monkeypatch):
    commands, run = [], subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **more: (commands.append(command), run(command, **more))[1]
    )
    source = own_cache / "one.cpp"
    source.write_text('extern "C" int one() { return 1; }\n')
    for capability, flag in (("AVX2", "-mavx2"), ("AVX512", "-mavx512f"), ("DEFAULT", None)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda value=capability: value)
        assert library.__wrapped__(source, torch.float32) is not None
        assert (flag in commands[-1]) if flag else not any("mavx" in word for word in commands[-1])
