import numpy as np
import pyarrow
import pytest

from ebmood.detector.cells.number_format import NumberFormat, possible_number_formats

VALUES = np.array([1234567.25, -1234.5, -0.75, 12.0, -7.0, 1000.0])


def english(x: float) -> str:
    return f"{x:,.2f}"


def german(x: float) -> str:
    return english(x).translate(str.maketrans(",.", ".,"))


def french(x: float) -> str:
    return english(x).replace(",", "\u202f").replace(".", ",")


@pytest.mark.parametrize(
    "write", [english, german, french, str], ids=["english", "german", "french", "plain"]
)
@pytest.mark.parametrize(
    "negative",
    [
        "-{}",
        "({})",
        "{}-",
        "-{} kg",
        "({}) kg",
        "({} kg)",
        "{}- kg",
        "{} kg-",
        "{}-\xa0kg",
        "-${}",
        "$-{}",
        "(${})",
        "$({})",
        "${}-",
        "-€ {}",
        "(USD {})",
        "-{} %",
        "({}%)",
        "−{}",
    ],
)
def test_a_negative_number_of_accounting_is_minus_the_positive_one(write, negative):
    positive = negative.replace("(", "").replace(")", "").replace("-", "").replace("−", "")
    cells = [(negative if x < 0 else positive).format(write(abs(x))) for x in VALUES]
    # as `clean_text` does
    cells = pyarrow.array([cell.replace("−", "-") for cell in cells])
    formats = possible_number_formats(cells)
    assert formats
    values, odd = formats[0].parse(cells)
    assert not odd.any()
    np.testing.assert_array_equal(values, VALUES)


def test_a_table_without_negative_numbers_decides_how_later_ones_are_read():
    style = possible_number_formats(pyarrow.array(["$1,234.50", "$7"]))[0]
    values, odd = style.parse(pyarrow.array(["($7.25)", "-$1,000", "$ -", "7", "($-7)", "$1.234,5", None]))
    np.testing.assert_array_equal(values, [-7.25, -1000, 0, np.nan, np.nan, np.nan, np.nan])
    assert odd.tolist() == [False, False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1.5k", "2M", "900", "1.1B", "-3k"], [1500, 2e6, 900, 1.1e9, -3000]),
        (["1,5K", "0", "12G"], [1500, 0, 12e9]),
        (["900 kB", "1.5 GB", "12 B", "2MB"], [9e5, 1.5e9, 12, 2e6]),
        (["1 KiB", "1.5 GiB", "12B"], [1024, 1.5 * 2**30, 12]),
        (["1e5", "2.5E-3", "7"], [1e5, 2.5e-3, 7]),
        (["48.2N", "16.5 S", "3.25° N"], [48.2, -16.5, 3.25]),
        (["48,2°E", "16,5°W"], [48.2, -16.5]),
        (["1,234.50 Cr", "3.00 Dr", "7.25CR"], [1234.5, -3, 7.25]),
        (["1.234,50 H", "3,00 S"], [1234.5, -3]),
    ],
)
def test_letters_multiply_if_several_occur(cells, values):
    read, odd = possible_number_formats(pyarrow.array(cells))[0].parse(pyarrow.array(cells))
    assert not odd.any()
    np.testing.assert_allclose(read, values, rtol=1e-15)


def test_groups_of_two_digits_as_in_india():
    cells = pyarrow.array(["12,34,567.50", "1,00,000", "1,234", "-1,23,45,678", "999"])
    style = possible_number_formats(cells)[0]
    np.testing.assert_array_equal(style.parse(cells)[0], [1234567.5, 1e5, 1234, -12345678, 999])
    assert possible_number_formats(pyarrow.array(["1,23,45", "7"])) == []
    assert possible_number_formats(pyarrow.array(["12.34.567", "7"])) == []
    values, odd = NumberFormat(currency="₹").parse_grouped(
        pyarrow.array(["₹1,23,456.00", "₹1,23,456", "₹1,23"])
    )
    np.testing.assert_array_equal(values, [123456, 123456, np.nan])
    assert odd.tolist() == [False, False, True]


def test_coordinates_of_one_direction_decide_how_the_other_is_read():
    for cells in (["10,905° E", "11,2 °E"], ["48.1°N", "47.9° N"]):
        [style, *_] = possible_number_formats(pyarrow.array(cells))
        other = cells[0].replace("E", "W").replace("N", "S")
        values, odd = style.parse(pyarrow.array([cells[0], other]))
        assert not odd.any()
        assert values[1] == -values[0] < 0
    assert possible_number_formats(pyarrow.array(["20 °C", "21 °C"]))[0] == NumberFormat(unit="°C")


@pytest.mark.parametrize(
    "cells",
    [
        ["5M", "3"],  # metres, minutes or millions
        ["12A", "12B"],
        ["32B", "34C"],
        ["48.2N", "16.4E"],
        ["48.2° N", "16.4° E"],
        ["10-20", "3-4"],
        ["A-7", "(B)"],
        ["(1", "2)"],
        ["12 kg", "3 g"],
        ["12 s", "3 h"],
        ["12 Cr", "3"],
        ["$5", "€5"],
    ],
)
def test_other_text_is_no_number(cells):
    assert possible_number_formats(pyarrow.array(cells)) == []


def test_all_cells_with_one_letter_have_a_unit():
    cells = pyarrow.array(["12k", "1.5k"])
    assert possible_number_formats(cells)[0] == NumberFormat(unit="k")
    assert possible_number_formats(cells)[0].parse(cells)[0].tolist() == [12, 1.5]
