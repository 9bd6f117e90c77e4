"""What the compiler is asked for, and when."""

import logging
import stat

import pytest
import torch

from ebmood.networks import native

pytestmark = pytest.mark.skipif(
    native.compiler() is None, reason="no C++ compiler here (CXX, g++, c++, clang++)"
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "one.cpp"
    path.write_text('extern "C" int one() { return 1; }\n')
    return path


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A processor that multiplies in bfloat16, a compiler too old for that, and what it was asked, a line a time."""
    real, log = " ".join(native.compiler() or ()), tmp_path / "asked"
    script = tmp_path / "old-compiler"
    script.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\ncase "$*" in *-mamx*) echo unrecognized >&2; exit 1;; esac\nexec {real} "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(native, "has_tiles", lambda: True)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    native.library.cache_clear()
    yield lambda: log.read_text().splitlines() if log.exists() else []
    native.library.cache_clear()


def test_a_compiler_too_old_for_bfloat16_is_asked_once_and_does_without(asked, source, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = native.library(source, torch.float32)
            assert found is not None
            assert found.one() == 1
            native.library.cache_clear()  # as another process would come to it
    tried, compiled = asked()
    assert all(flag in tried for flag in (*native.TILES, "-fsyntax-only"))
    assert not any(flag in compiled for flag in (*native.TILES, "-fsyntax-only"))
    assert "-mavx512f" in compiled
    assert not caplog.messages


def test_one_that_knows_it_is_told(asked, source, monkeypatch):
    monkeypatch.delenv("CXX")
    commands, run = [], native.subprocess.run
    monkeypatch.setattr(
        native.subprocess, "run", lambda command, **more: (commands.append(command), run(command, **more))[1]
    )
    found = native.library(source, torch.float32)
    assert found is not None
    assert found.one() == 1
    assert all(flag in commands[-1] for flag in native.TILES)
    assert "-fsyntax-only" not in commands[-1]


def test_narrower_vectors_have_none_of_it(asked, source, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert native.library(source, torch.float32) is not None
    (compiled,) = asked()
    assert not any(flag in compiled for flag in native.TILES)
    assert "-mavx2" in compiled
