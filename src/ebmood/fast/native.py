"""C++ libraries that are compiled when first needed and cached between processes.

Libraries are stored in the folder `compiled/` of the cache (`EBMOOD_CACHE`, else `~/.cache/ebmood`), under a digest of
the source, the compiler's options and the kind of machine, so that machines which share the folder share only what each
of them can run. A library is compiled for one number type and for vectors as wide as torch's own. The compiler runs as
one process; thread counts are never changed.
"""

import ctypes
import logging
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ebmood.core.files import cache_folder
from ebmood.core.settings import digest

KERNELS = Path(__file__).with_name("kernels")

# -ffast-math would make the whole process flush subnormal numbers to zero and would hide values that are not finite.
# Loop patterns: GCC would copy the last few numbers of a row with an instruction that is slow for short strings.
OPTIONS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-tree-loop-distribute-patterns"),
    *("-shared", "-fPIC"),
)
VECTORS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma"),
}
NUMBERS = {torch.float32: "-DNUMBER=Float32", torch.float64: "-DNUMBER=Float64"}
INCLUDES = re.compile(r'^#include "(.+)"$', re.MULTILINE)
TIMEOUT = 120
"""Seconds that the compiler may take."""

_C_TYPES = {int: ctypes.c_int64, float: ctypes.c_double}

log = logging.getLogger(__name__)


class _CompileError(Exception):
    """The library could not be compiled; the message says why."""


@cache
def library(source: Path, dtype: torch.dtype) -> ctypes.CDLL | None:
    """Return the library of a C++ source, from the cache or compiled now.

    The answer is remembered for the lifetime of the process.

    Args:
        source: the C++ file.
        dtype: float32 or float64.

    Returns:
        The library; None, with one logged line, if it cannot be compiled.
    """
    try:
        options = (*OPTIONS, *VECTORS.get(torch.backends.cpu.get_cpu_capability(), ()), NUMBERS[dtype])
        target = _target(source, options)
        if not target.exists():
            _compile(source, options, target)
        return ctypes.CDLL(str(target))
    except (_CompileError, OSError) as error:
        log.warning("%s: not compiled (%s); using slower Python code", source.name, error)
        return None


class Compiled:
    """A compiled library; subclasses name its source and call its functions.

    It belongs to this process: a copy or a pickle of it is None.

    Attributes:
        library: the library.
        dtype: the number type that it is compiled for.
        SOURCE: the C++ file.
        COMPILE_SECONDS: processor seconds that compiling takes, rounded up.
        SAVED_SECONDS: processor seconds that are saved for each multiplication of a forward pass, rounded down.
    """

    SOURCE: ClassVar[Path]
    COMPILE_SECONDS: ClassVar[float]
    SAVED_SECONDS: ClassVar[float]

    def __init__(self, library: ctypes.CDLL, dtype: torch.dtype):
        self.library, self.dtype = library, dtype

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    @classmethod
    def load(cls, dtype: torch.dtype) -> Self | None:
        """Return the library for a number type, or None if it cannot be compiled or does not support the type."""
        code = library(cls.SOURCE, dtype) if dtype in NUMBERS else None
        return None if code is None else cls(code, dtype)

    @classmethod
    def pays(cls, passes: int, multiplications: int) -> bool:
        """Return whether compiling costs less time than it saves.

        The answer depends only on counts and never on measured times, so that runs are reproducible. With several
        threads the answer is no: torch would use all of them, compiled code only one.

        Args:
            passes: batches that go through the network.
            multiplications: multiplications of one forward pass.
        """
        saved = passes * multiplications * cls.SAVED_SECONDS
        return torch.get_num_threads() == 1 and saved > cls.COMPILE_SECONDS

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library.

        Args:
            name: name of the function.
            arguments: integers, floats, tensors (passed by address), None, or ctypes values.
        """
        function = getattr(self.library, name)
        if function.argtypes is None:
            function.argtypes = [_C_TYPES.get(type(value), ctypes.c_void_p) for value in arguments]
        function(*[value.data_ptr() if isinstance(value, Tensor) else value for value in arguments])


def is_plain(tensor: Tensor | None, dtype: torch.dtype) -> bool:
    """Return whether compiled code can read a tensor: dense, on the CPU, of this type. None is plain."""
    return tensor is None or (tensor.is_cpu and tensor.dtype == dtype and tensor.is_contiguous())


def pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    """Return a C array of the tensors' addresses. The tensors must live until the call returns."""
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    return (ctypes.c_void_p * len(addresses))(*addresses)


def integers(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """Return a C array of integers."""
    return (ctypes.c_int64 * len(values))(*values)


def compiler() -> list[str] | None:
    """Return the command of the C++ compiler: `CXX`, else g++, c++ or clang++; None if it is not installed."""
    from_environment = shlex.split(os.environ.get("CXX", ""))
    commands = [from_environment] if from_environment else [["g++"], ["c++"], ["clang++"]]
    return next((command for command in commands if shutil.which(command[0])), None)


def _target(source: Path, options: Sequence[str]) -> Path:
    texts = [source.read_text(encoding="utf-8")]
    texts += [(source.parent / name).read_text(encoding="utf-8") for name in INCLUDES.findall(texts[0])]
    key = digest([*texts, options, sys.platform, platform.machine()])
    return cache_folder("compiled") / f"{source.stem}-{key}.so"


def _compile(source: Path, options: Sequence[str], target: Path) -> None:
    command = compiler()
    if command is None:
        raise _CompileError(f"no C++ compiler: {os.environ.get('CXX') or 'g++, c++ and clang++'} not found")
    target.parent.mkdir(parents=True, exist_ok=True)
    # In a temporary folder: other threads and machines that share the cache may compile the same source now.
    with TemporaryDirectory(prefix=".", dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        arguments = [*command, *options, str(source), "-o", str(temporary)]
        try:
            subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.CalledProcessError as error:
            first = next(iter(error.stderr.strip().splitlines()), f"exit code {error.returncode}")
            raise _CompileError(f"{command[0]}: {first}") from error
        except subprocess.TimeoutExpired as error:
            raise _CompileError(f"{command[0]}: no result after {TIMEOUT} s") from error
        os.replace(temporary, target)
