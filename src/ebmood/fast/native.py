"""C++ that stands beside a network or model, compiled when first wanted and kept between processes.

What is kept lies in `compiled/` of the cache folder (`EBMOOD_CACHE`, else `~/.cache/ebmood`), under a digest of the
source, the compiler's options and the kind of machine: machines that share a folder share only what each can run.
One library is for one type of numbers, since nobody waits gladly for those of a type that he does not use.
Vectors are as wide as torch's own. The compiler runs once, as one process that ends; nothing touches thread counts.
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

from ebmood.core.settings import digest

# -ffast-math would make a process that loads the library flush small numbers to zero, and hide what is not finite.
# Patterns: what is left over of a row, a few numbers, would be copied by an instruction for long strings.
OPTIONS = (
    *("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-tree-loop-distribute-patterns"),
    *("-shared", "-fPIC"),
)
VECTORS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma"),
}
NUMBERS = {torch.float32: "-DNUMBERS=Float32", torch.float64: "-DNUMBERS=Float64"}
TILES = ("-mavx512bf16", "-mamx-tile", "-mamx-bf16")
"""For products in bfloat16, which compilers learnt later."""
INCLUDED = re.compile(r'^#include "(.+)"$', re.MULTILINE)
PATIENCE = 120
"""Seconds that the compiler may take."""

_KINDS = {int: ctypes.c_int64, float: ctypes.c_double}

log = logging.getLogger(__name__)


class _NoLibraryError(Exception):
    """Says why."""


@cache
def library(source: Path, numbers: torch.dtype) -> ctypes.CDLL | None:
    """The library of a C++ source: from the cache, or compiled; None, with one line logged, where neither can be.

    `numbers` are float32 or float64.

    Each process asks once and remembers the answer.
    """
    try:
        kinds = {_place(source, options): options for options in _options(numbers)}
        for built in kinds:
            if built.exists():
                return ctypes.CDLL(str(built))
        command = compiler()
        if command is None:
            missing = os.environ.get("CXX") or "g++, c++ and clang++"
            raise _NoLibraryError(f"no C++ compiler: {missing} not found")
        *better, (plainest, _) = kinds.items()
        built = next((built for built, options in better if _known(command, options)), plainest)
        _compile(source, [*command, *kinds[built]], built)
        return ctypes.CDLL(str(built))
    except (_NoLibraryError, OSError) as error:
        log.warning("%s: not compiled (%s); computing eagerly, which is slower", source.name, error)
        return None


def has_tiles() -> bool:
    """Whether torch finds those of AMX, and what comes with them, in the processor; older ones do not look."""
    features = "avx512_bf16", "amx_tile"
    return all(getattr(torch.cpu, f"_is_{feature}_supported", bool)() for feature in features)


def _options(numbers: torch.dtype) -> list[tuple[str, ...]]:
    """The best for this processor first; a compiler may be too old for all but the last."""
    capability = torch.backends.cpu.get_cpu_capability()
    options = (*OPTIONS, *VECTORS.get(capability, ()), NUMBERS[numbers])
    return [(*options, *TILES), options] if capability == "AVX512" and has_tiles() else [options]


def _known(command: list[str], options: tuple[str, ...]) -> bool:
    asked = [*command, *options, "-fsyntax-only", "-x", "c++", os.devnull]
    try:
        return subprocess.run(asked, capture_output=True, timeout=PATIENCE).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Compiled:
    """Compiled code in an object's hands; subclasses name its source and call it.

    It is this process's own: a copy or a pickle is None, and what holds it computes eagerly.

    Attributes:
        code: the library.
        numbers: the type of those that it takes.
        SOURCE: in C++.
        WARM_UP: seconds of the processor that compiling takes, rounded up.
        SAVED: seconds saved for each multiplication of a pass forwards, rounded down.
    """

    SOURCE: ClassVar[Path]
    WARM_UP: ClassVar[float]
    SAVED: ClassVar[float]

    def __init__(self, code: ctypes.CDLL, numbers: torch.dtype):
        self.code, self.numbers = code, numbers

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()

    @classmethod
    def found(cls, numbers: torch.dtype) -> Self | None:
        """From the cache, or compiled now; None, with one line logged, where that cannot be.

        None too for numbers that nothing is written for.
        """
        code = library(cls.SOURCE, numbers) if numbers in NUMBERS else None
        return None if code is None else cls(code, numbers)

    @classmethod
    def pays(cls, passes: int, multiplications: int) -> bool:
        """Whether compiling costs less than it saves, counted beforehand and never timed, so that runs do not differ.

        With several threads torch spreads its products over them, and compiled code would run on one.

        Args:
            passes: of batches through the network.
            multiplications: in each, forwards.
        """
        return torch.get_num_threads() == 1 and passes * multiplications * cls.SAVED > cls.WARM_UP

    def call(self, name: str, *given: Any) -> None:
        """Call the function of this name.

        Args:
            name: of the function.
            given: integers, floats, tensors or None, whose addresses are handed over, and what ctypes knows.
        """
        function = getattr(self.code, name)
        if function.argtypes is None:
            function.argtypes = [_KINDS.get(type(value), ctypes.c_void_p) for value in given]
        function(*[value.data_ptr() if isinstance(value, Tensor) else value for value in given])


def plain(tensor: Tensor | None, dtype: torch.dtype) -> bool:
    """Whether compiled code can read it as it lies: dense, on the CPU, of this type; or there is none."""
    return tensor is None or (tensor.is_cpu and tensor.dtype == dtype and tensor.is_contiguous())


def pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    """Addresses of tensors, which are to live until the call is over."""
    return (ctypes.c_void_p * len(tensors))(*map(_address, tensors))


def integers(values: Sequence[int]) -> ctypes.Array[ctypes.c_int64]:
    """A C array."""
    return (ctypes.c_int64 * len(values))(*values)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def cache_folder() -> Path:
    """Where libraries are kept."""
    return Path(os.environ.get("EBMOOD_CACHE") or Path("~/.cache/ebmood").expanduser()) / "compiled"


def compiler() -> list[str] | None:
    """The command that compiles C++: `CXX`, else g++, c++ or clang++; None where it is not found."""
    wanted = shlex.split(os.environ.get("CXX", ""))
    commands = [wanted] if wanted else [["g++"], ["c++"], ["clang++"]]
    return next((command for command in commands if shutil.which(command[0])), None)


def _texts(source: Path) -> list[str]:
    """Of the source, and of our own headers that it names."""
    text = source.read_text(encoding="utf-8")
    return [text, *((source.parent / name).read_text(encoding="utf-8") for name in INCLUDED.findall(text))]


def _place(source: Path, options: tuple[str, ...]) -> Path:
    key = digest([*_texts(source), options, sys.platform, platform.machine()])
    return cache_folder() / f"{source.stem}-{key}.so"


def _compile(source: Path, command: list[str], built: Path) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    # In a folder of its own: threads, and machines that share the cache, may compile the same at the same moment.
    with TemporaryDirectory(prefix=".", dir=built.parent) as own:
        temporary = Path(own) / built.name
        try:
            subprocess.run(
                [*command, str(source), "-o", str(temporary)],
                check=True,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.CalledProcessError as error:
            first = next(iter(error.stderr.strip().splitlines()), f"exit code {error.returncode}")
            raise _NoLibraryError(f"{command[0]}: {first}") from error
        except subprocess.TimeoutExpired as error:
            raise _NoLibraryError(f"{command[0]}: still at work after {PATIENCE} s") from error
        os.replace(temporary, built)
