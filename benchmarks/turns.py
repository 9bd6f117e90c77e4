"""Sides of one row that take turns, and the machine's peak beside them: what each took, and the share it reached."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Step = Callable[[], object]
DEVICE = torch.device("cpu")
"""Where all sides compute; set before a row is made."""


@dataclass
class Row:
    """One step of the table: its sides by name, `plain` among them, and which of them multiply in bfloat16."""

    name: str
    sides: dict[str, Step]
    bf16: set[str] = field(default_factory=set)


def peak(dtype: torch.dtype) -> Step:
    """A product large enough to reach the machine's peak; `PEAK_FLOPS` of work."""
    a, b = (torch.rand(1024, 1024).to(DEVICE, dtype) for _ in range(2))
    return lambda: a @ b


PEAK_FLOPS = 2 * 1024**3


class Counter(TorchDispatchMode):
    """Adds up torch's own formulas; its `FlopCounterMode` would hook modules too, which `autograd.grad` bars."""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            named = {
                name: value for name, value in (kwargs or {}).items() if name not in ("out", "grad_input")
            }
            self.flops += formula(*args, **named, out_val=result)
        return result


def flops(step: Step) -> int:
    with Counter() as counter:
        step()
    return counter.flops


class Turns:
    """The sides of a row and the machine's peaks, which take turns."""

    def __init__(self, row: Row):
        self.row = row
        peaks = {"fp32 peak": peak(torch.float32)} | ({"bf16 peak": peak(torch.bfloat16)} if row.bf16 else {})
        self.steps = row.sides | peaks
        self.seconds: dict[str, list[float]] = {name: [] for name in self.steps}
        for step in self.steps.values():
            step()  # to warm up

    def turn(self) -> None:
        """All sides once."""
        for name, step in self.steps.items():
            self.seconds[name].append(measured(step))

    def medians(self) -> dict[str, dict[str, float]]:
        """What each side took, and what share of the peak it reached."""
        medians = {name: statistics.median(values) for name, values in self.seconds.items()}
        found = {}
        for name in self.row.sides:
            # torch's counter does not see compiled code
            work = flops(self.row.sides[name.removesuffix(", compiled")])
            top = PEAK_FLOPS / medians["bf16 peak" if name in self.row.bf16 else "fp32 peak"]
            found[name] = {
                "ms": medians[name] * 1e3,
                "faster": medians["plain"] / medians[name],
                "gigaflops": work / 1e9,
                "share_of_peak": work / medians[name] / top,
            }
        return found


def measured(step: Step) -> float:
    """Seconds of a step: of the processor; with CUDA the clock's, until the device is done."""
    cuda = DEVICE.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    clock = time.perf_counter if cuda else time.process_time
    start = clock()
    step()
    if cuda:
        torch.cuda.synchronize()
    return clock() - start
