"""Ticks at round numbers that do not overlap."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from ebmood.results.figures.ticks import number_text, percent_ticks, set_round_ticks, symlog_decades


def ticks(low, high, value, position, fractions):
    axes = Figure().subplots()
    axes.set_xlim(low, high)
    set_round_ticks(axes, value, position, fractions)
    return np.array(axes.get_xticks()), [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize(
    ("centre", "width", "low", "high"),
    [
        (0.0, 1.0, -3.7, 1.6),
        (-97.3, 31.0, -9.0, 2.0),
        (1e5, 0.3, -2, 2),
        (0.05, 1e-4, -30, 5),
        (3, 2, -0.1, 0.1),
    ],
)
def test_ticks_are_at_their_numbers_and_apart(centre, width, low, high):
    fractions = (0.14, 0.5, 0.86)
    places, labels = ticks(
        low,
        high,
        lambda place: centre + width * math.sinh(place),
        lambda number: math.asinh((number - centre) / width),
        fractions,
    )
    assert np.abs((places - low) / (high - low) - fractions).max() <= 0.36 / 6 + 1e-9
    assert len(set(labels)) == 3


def test_the_number_with_the_fewest_digits_is_chosen():
    even = (lambda place: place, lambda number: number)
    assert ticks(-10.3, 97.0, *even, (0.1, 0.5, 0.9))[0].tolist() == [0.0, 50.0, 80.0]
    assert ticks(0.0131, 0.0137, *even, (0.2, 0.8))[0] == pytest.approx([0.0132, 0.0136])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "$0$"),
        (-0.15, "$-0.15$"),
        (-9000.0, "$-9000$"),
        (-1e5, "$-10^{5}$"),
        (2e34, r"$2\times10^{34}$"),
        (-1.5e-5, r"$-1.5\times10^{-5}$"),
    ],
)
def test_extreme_numbers_have_powers_of_ten(number, text):
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("low", "high"), [(-1e12, 1e3), (-4e4, 10.0), (-0.7, 0.2), (-30.0, 0.05), (-1e7, 1e7), (-2.0, 9e5)]
)
def test_decades_are_few_apart_and_in_the_limits(low, high):
    """On a symmetric logarithmic axis, [0, 1] is as long as a decade."""
    decades = np.array(symlog_decades(low, high))
    assert 0 in decades
    assert 1 <= len(decades) <= 7
    assert ((decades >= low) & (decades <= high)).all()
    positions = np.sign(decades) * np.where(decades == 0, 0, 1 + np.log10(np.maximum(np.abs(decades), 1)))
    length = 2 + math.log10(max(-low, 1)) + math.log10(max(high, 1))
    assert (np.diff(positions) >= length / 12).all()


@pytest.mark.parametrize(("low", "high"), [(-75, 210), (-99.9, 5), (-1.5, 2), (-50, 50), (-5, 4000)])
def test_percent_ticks_contain_zero_and_are_apart_in_log_ratios(low, high):
    ticks = np.array(percent_ticks(low, high))
    assert 0 in ticks
    assert 3 <= len(ticks) <= 8
    assert ((ticks >= low) & (ticks <= high)).all()
    assert np.diff(np.log1p(ticks / 100)).min() > np.log((100 + high) / (100 + low)) / 8
