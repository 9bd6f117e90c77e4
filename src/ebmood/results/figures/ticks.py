"""Ticks at round numbers on axes with nonlinear scales."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Transform = Callable[[float], float]


def set_round_ticks(
    axes: "Axes",
    value: Transform,
    position: Transform,
    fractions: Sequence[float],
    text: Callable[[float], str] | None = None,
) -> None:
    """Set ticks at round numbers on an x axis with a nonlinear scale.

    Each tick is the number with the fewest digits near one of `fractions` of the axis; near means within a sixth of
    the distance to the next fraction.

    Args:
        axes: axes whose x limits are set.
        value: increasing function from a position on the axis to the number it represents.
        position: inverse of `value`.
        fractions: at least two, ascending, in (0, 1).
        text: text of a number; `number_text` if None.
    """
    low, high = axes.get_xlim()
    reach = float(np.diff(fractions).min()) / 6
    numbers = [
        _roundest(*(value(low + (high - low) * (fraction + side)) for side in (-reach, reach)))
        for fraction in fractions
    ]
    axes.set_xticks([position(number) for number in numbers], [(text or number_text)(n) for n in numbers])


def _roundest(low: float, high: float) -> float:
    """Return the multiple of the largest of the steps 1, 2, 5 times a power of ten in [low, high], or zero."""
    if low <= 0 <= high:
        return 0.0
    for power in range(int(np.ceil(np.log10(max(-low, high)))), -40, -1):
        for step in (5, 2, 1):
            multiple = round((low + high) / 2 / (step * 10.0**power))
            number = float(f"{multiple * step}e{power}")
            if low <= number <= high:
                return number
    return (low + high) / 2


def number_text(number: float) -> str:
    """Return a number as mathematical text, with powers of ten from 10,000 on and below 0.001.

    >>> number_text(-100000.0)
    '$-10^{5}$'
    """
    text = f"{number:.7g}"
    if number and not 1e-3 <= abs(number) < 1e4:
        mantissa, _, exponent = f"{number:.6e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        factor = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa}\times")
        text = rf"{factor}10^{{{int(exponent)}}}"
    return f"${text}$"


def symlog_decades(low: float, high: float) -> list[float]:
    """Return zero and a few powers of ten in [low, high], for a symlog axis that is linear in [-1, 1]."""
    down, up = (math.log10(max(end, 1.0)) for end in (-low, high))
    step = max(1, math.ceil((down + up) / 5))
    first = step if step > 1 else 0  # [0, 1] is as long as one decade
    powers = [
        sign * 10.0**power
        for sign, largest in ((-1, down), (1, up))
        for power in range(first, math.floor(largest) + 1, step)
    ]
    return sorted([0.0, *(power for power in powers if low <= power <= high)])


_PERCENTS = (
    0,
    100,
    -50,
    1000,
    -90,
    50,
    200,
    -20,
    500,
    -80,
    20,
    10,
    -10,
    300,
    -70,
    5,
    -5,
    2,
    -2,
    1,
    -1,
    0.5,
    -0.5,
)
"""Relative changes in per cent, the roundest first."""


def percent_ticks(low: float, high: float) -> list[float]:
    """Return a few round relative changes in [low, high] per cent, for an axis in log ratios.

    >>> percent_ticks(-75, 210)
    [-70, -50, 0, 100, 200]
    """
    start, end = (math.log1p(percent / 100) for percent in (low, high))
    ticks: list[float] = []
    for percent in _PERCENTS:
        position = math.log1p(percent / 100)
        distances = [abs(position - math.log1p(tick / 100)) for tick in ticks]
        if start <= position <= end and min(distances, default=math.inf) > (end - start) / 8:
            ticks.append(percent)
    return sorted(ticks)
