"""Axes that people read: round numbers where they belong, and no two labels on one place."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from ebmood.results.drawing import in_print, legend, new_figure, round_ticks
from ebmood.results.rays import _decades


def ticks(low, high, value, place, shares):
    axes = Figure().subplots()
    axes.set_xlim(low, high)
    round_ticks(axes, value, place, shares)
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
def test_ticks_stand_where_their_numbers_are_and_apart(centre, width, low, high):
    shares = (0.14, 0.5, 0.86)
    places, labels = ticks(
        low,
        high,
        lambda place: centre + width * math.sinh(place),
        lambda number: math.asinh((number - centre) / width),
        shares,
    )
    assert np.abs((places - low) / (high - low) - shares).max() <= 0.36 / 6 + 1e-9
    assert len(set(labels)) == 3


def test_the_number_with_the_fewest_digits_is_taken():
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
def test_numbers_are_printed_with_powers_of_ten_where_they_are_far_from_one(number, text):
    assert in_print(number) == text


@pytest.mark.parametrize(
    ("low", "high"), [(-1e12, 1e3), (-4e4, 10.0), (-0.7, 0.2), (-30.0, 0.05), (-1e7, 1e7), (-2.0, 9e5)]
)
def test_decades_are_few_apart_and_inside(low, high):
    """Apart as a symmetric logarithmic axis has them: [0, 1] takes as much room as a decade."""
    found = np.array(_decades(low, high))
    assert 0 in found
    assert 1 <= len(found) <= 7
    assert ((found >= low) & (found <= high)).all()
    bent = np.sign(found) * np.where(found == 0, 0, 1 + np.log10(np.maximum(np.abs(found), 1)))
    room = 2 + math.log10(max(-low, 1)) + math.log10(max(high, 1))
    assert (np.diff(bent) >= room / 12).all()


@pytest.mark.parametrize("columns", [1, 4])
def test_a_legend_stays_on_its_figure(columns):
    with new_figure(1, columns, 2.0, 1.75) as (figure, panels):
        for label in ("unsupervised", *(f"γ = {gamma:g}" for gamma in (0.01, 0.1, 1, 10, 100))):
            panels[0][0].plot([0, 1], [0, 1], label=label)
        legend(figure, *panels[0])
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width
