"""Sides of one comparison that are timed in turn, and the machine's peak beside them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Step = Callable[[], object]
REFERENCE = "reference"
DEVICE = torch.device("cpu")
"""Device of all sides; set before a comparison is made."""


@dataclass
class Comparison:
    """One step of training, computed by several sides.

    Attributes:
        name: name of the step.
        sides: functions that run one step, by name; `reference` is one of them.
        bf16: sides that multiply in bfloat16.
    """

    name: str
    sides: dict[str, Step]
    bf16: set[str] = field(default_factory=set)


PEAK_FLOPS = 2 * 1024**3


def peak(dtype: torch.dtype) -> Step:
    """Return a matrix product of `PEAK_FLOPS` operations, large enough to reach the machine's peak."""
    a, b = (torch.rand(1024, 1024).to(DEVICE, dtype) for _ in range(2))
    return lambda: a @ b


class FlopCounter(TorchDispatchMode):
    """Sum of torch's own formulas. (`FlopCounterMode` also hooks modules, which `autograd.grad` does not allow.)"""

    flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            arguments = {
                name: value for name, value in (kwargs or {}).items() if name not in ("out", "grad_input")
            }
            self.flops += formula(*args, **arguments, out_val=result)
        return result


def flops(step: Step) -> int:
    with FlopCounter() as counter:
        step()
    return counter.flops


class Turns:
    """The sides of a comparison and the machine's peaks, timed in turn."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        peaks = {"fp32 peak": peak(torch.float32)}
        peaks |= {"bf16 peak": peak(torch.bfloat16)} if comparison.bf16 else {}
        self.steps = comparison.sides | peaks
        self.seconds: dict[str, list[float]] = {name: [] for name in self.steps}
        for step in self.steps.values():
            step()  # warm-up

    def turn(self) -> None:
        """Time every side once."""
        for name, step in self.steps.items():
            self.seconds[name].append(measure(step))

    def medians(self) -> dict[str, dict[str, float]]:
        """Return the median time of each side, and the fraction of the peak that it reaches."""
        medians = {name: statistics.median(values) for name, values in self.seconds.items()}
        result = {}
        for name in self.comparison.sides:
            # torch's counter does not see compiled code
            work = flops(self.comparison.sides[name.removesuffix(", compiled")])
            peak_flops = PEAK_FLOPS / medians["bf16 peak" if name in self.comparison.bf16 else "fp32 peak"]
            result[name] = {
                "ms": medians[name] * 1e3,
                "faster": medians[REFERENCE] / medians[name],
                "gigaflops": work / 1e9,
                "fraction_of_peak": work / medians[name] / peak_flops,
            }
        return result


def measure(step: Step) -> float:
    """Return the seconds of a step: processor time of all threads; on CUDA wall time until the device is done."""
    cuda = DEVICE.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    clock = time.perf_counter if cuda else time.process_time
    start = clock()
    step()
    if cuda:
        torch.cuda.synchronize()
    return clock() - start
