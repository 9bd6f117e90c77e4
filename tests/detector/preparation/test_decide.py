"""What each kind of column is taken for. The tables are made here; nothing depends on a particular one."""

import datetime as dt

import numpy as np
import pyarrow
import pytest

from ebmood.core.errors import InputError
from ebmood.detector.cells.arrow import compute
from ebmood.detector.preparation import CategoryColumn, DateColumn, LeftOut, NumberColumn
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.cycles import Cycle
from ebmood.detector.preparation.decide import decide
from ebmood.detector.preparation.decision import Decision
from ebmood.detector.preparation.row_sample import combine

N = 200
RNG = np.random.default_rng(0)
FLOATS = RNG.normal(20, 3, N).round(3)
DAYS = [dt.date(2021, 1, 1) + dt.timedelta(days=2 * i) for i in range(N)]
WORDS = ["pump", "valve", "leak", "at", "north", "line", "closed", "again", "after", "check", "by", "shift"]


def decide_one(cells: list, name: str = "c", *, delimiter: str = ",", kind=None, **choices) -> Decision:
    [decision] = decide({name: pyarrow.array(cells, kind)}, Choices(**choices), delimiter)
    return decision


def text(values) -> list[str]:
    return [str(value) for value in values]


@pytest.mark.parametrize("kind", [str, None])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (FLOATS.tolist(), "number"),
        (RNG.integers(0, 500, N).tolist(), "number"),
        (RNG.integers(0, 4, N).tolist(), "number"),
        ([True, False] * (N // 2), "yes/no"),
        ([0, 1] * (N // 2), "yes/no"),
        (["A", "B", "C", "D"] * (N // 4), "category"),
        ([7] * N, "constant"),
        (["x"] * N, "constant"),
        ([None] * N, "empty"),
        ([None] * (N - 5) + [1.5, 2.5, 3.5, 4.5, 5.5], "mostly missing"),
        (list(range(N)), "row counter"),
        (list(range(1000, 1000 + 5 * N, 5)), "row counter"),
        (RNG.permutation(N).tolist(), "id"),
        (np.unique(RNG.integers(0, 10**9, N)).tolist(), "only grows"),
        ([f"AB-{i:05}" for i in RNG.permutation(N)], "id"),
        ([" ".join(RNG.choice(WORDS, 6)) for _ in range(N)], "free text"),
        ([2**60 + int(i) for i in RNG.permutation(N)], "id"),
    ],
)  # fmt: skip
def test_what_a_column_holds_does_not_depend_on_the_file_type(cells, expected, kind):
    if kind is str:
        cells = ["" if cell is None else str(cell) for cell in cells]
    decision = decide_one(cells)
    assert decision.kind == expected
    is_read = not isinstance(decision.column, LeftOut)
    assert is_read == (expected in ("number", "yes/no", "category"))
    assert not decision.problems


def test_sensors_that_happen_to_be_whole_and_different_are_numbers():
    """In 60 rows of numbers from a wide range, no two need to be equal."""
    assert decide_one(RNG.permutation(10**6)[:60].tolist()).kind == "number"


def test_names_decide_only_where_values_do_not():
    unique = RNG.permutation(10**6)[:60].tolist()
    assert decide_one(unique, "customer_id").kind == "id"
    assert decide_one(unique, "humidity").kind == "number"
    assert decide_one(FLOATS.tolist(), "grid").kind == "number"
    assert isinstance(decide_one(RNG.integers(1, 5, N).tolist(), "sensor_id").column, CategoryColumn)


@pytest.mark.parametrize("name", ["Account #", "Order Number", "Kundennummer", "Belegnr.", "invoice_no"])
def test_whole_numbers_that_never_repeat_are_an_id_if_the_name_says_number(name):
    never = RNG.choice(10**9, N, replace=False).tolist()
    assert decide_one(never, name).kind == "id"
    for other in ("revenue", "piano", "number of rooms"):
        assert decide_one(never, other).kind == "number"
    assert decide_one([*never[:-1], never[0]], name).kind == "number"


@pytest.mark.parametrize(
    "cells",
    [
        pyarrow.array([b"0123456789abcdef"] * N, pyarrow.binary(16)),
        pyarrow.array([b"x"] * N, pyarrow.binary_view()),
        pyarrow.ExtensionArray.from_storage(
            pyarrow.uuid(), pyarrow.array([b"0123456789abcdef"] * N, pyarrow.binary(16))
        ),
        pyarrow.array([(1, 2, 3)] * N, pyarrow.month_day_nano_interval()),
        pyarrow.array([{"a": 1}] * N),
    ],
    ids=["fixed size", "view", "uuid", "interval", "struct"],
)
def test_cells_that_are_no_values_are_left_out(cells):
    columns = {"c": combine([cells[:9], cells[9:]])}
    [decision] = decide(columns, Choices())
    assert decision.kind == "other"
    for kind in ("numbers", "categories", "dates", "texts"):
        with pytest.raises(InputError, match=f"column 'c': holds .*, which are not read as {kind}"):
            decide(columns, Choices(**{kind: ["c"]}))


def test_run_end_encoded_values_are_those_that_repeat():
    plain = pyarrow.array(["a", "a", "b", "b"] * (N // 4))
    [decision] = decide({"c": combine([compute.run_end_encode(plain)])}, Choices())
    assert isinstance(decision.column, CategoryColumn)
    reading = decision.column.read(compute.run_end_encode(plain), ())
    assert reading.features["c"].equals(plain)


def test_rare_names_are_an_id_and_frequent_ones_categories():
    few_new = [*(["a", "b"] * (N // 2)), "c", "d"]
    many_new = [*(["a", "b"] * (N // 4)), *(f"n{i}" for i in range(N // 2))]
    assert decide_one(few_new).kind == "category"
    assert decide_one(many_new).kind == "id"
    some_new = [*(["a", "b"] * (N // 2)), *(f"n{i}" for i in range(N // 8))]
    decision = decide_one(some_new)
    assert decision.kind == "rare names"
    assert decision.reason == "11% of the texts occur once; categories=['c'] reads it"
    assert decide_one(some_new, categories=frozenset("c")).kind == "category"
    assert decide_one(["a", "b", "c"] * 9 + ["d", "e"]).kind == "category"  # two names may be a coincidence


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["Y", "N"], "yes/no"),
        (["on", "off"], "yes/no"),
        (["True", "FALSE", "yes", "1"], "yes/no"),
        (["Y", "N", "yes", "No"], "yes/no"),
        (["t", "y"], "category"),
        (["t", "y", "n"], "category"),
        (["no", "maybe"], "category"),
    ],
)
def test_words_for_yes_and_no(words, kind):
    assert decide_one(RNG.choice(words, N).tolist()).kind == kind


def test_codes_that_start_with_zero_are_not_numbers():
    codes = RNG.choice(["007", "012", "113"], N).tolist()
    assert isinstance(decide_one(codes).column, CategoryColumn)


@pytest.mark.parametrize(
    ("write", "description"),
    [
        (lambda x: f"{x}".replace(".", ","), "decimal comma"),
        (lambda x: f"{1000 * x:,.2f}", "thousands separated by ','"),
        (
            lambda x: f"{1000 * x:,.2f}".translate(str.maketrans(",.", ".,")),
            "decimal comma, thousands separated by '.'",
        ),
        (lambda x: f"{x}%", "unit '%'"),
        (lambda x: f"{x} m3/h", "unit 'm3/h'"),
        (lambda x: f"$ {x}", "unit '$'"),
        (lambda x: f"{x} €".replace(".", ","), "decimal comma, unit '€'"),
    ],
)
def test_numbers_are_read_in_the_format_of_the_whole_column(write, description):
    values = FLOATS.clip(1)
    decision = decide_one([write(x) for x in values])
    assert decision.reason == description
    factor = 1000 if "thousands" in description else 1
    reading = decision.column.read(pyarrow.array([write(x) for x in values]), ())
    np.testing.assert_allclose(reading.features["c"], factor * values)


def test_formats_of_cells_after_the_first_thousand_count():
    values = np.arange(0.5, 1500)
    cells = [f"{x:,}" for x in values] + ["(7.25)", "8.5-"]
    column = decide_one(cells).column
    reading = column.read(pyarrow.array(cells), ())
    assert not reading.errors
    np.testing.assert_array_equal(reading.features["c"], [*values, -7.25, -8.5])
    sizes = [f"{x:g}k" for x in values] + ["1.5M", "0"]
    reading = decide_one(sizes).column.read(pyarrow.array(sizes), ())
    assert not reading.errors
    np.testing.assert_allclose(reading.features["c"], [*(1000 * values), 1.5e6, 0])


def test_an_open_format_is_that_of_the_other_columns():
    grouped = [f"{i},{j:03}" for i, j in RNG.integers(1, 999, (N, 2))]
    with_comma = text(f"{x}".replace(".", ",") for x in FLOATS)

    def format_of(delimiter: str, **others: list) -> str:
        columns = {"c": grouped, **others}
        return decide({k: pyarrow.array(v) for k, v in columns.items()}, Choices(), delimiter)[0].reason

    assert format_of(",") == "thousands separated by ',', which is a guess"
    assert format_of(";") == "decimal comma"
    assert format_of(",", other=with_comma) == "decimal comma"
    assert format_of(";", other=text(FLOATS)) == "thousands separated by ',', which is a guess"
    grouped[0] = "0,653"
    assert format_of(",") == "decimal comma"


THREE_DECIMALS = [f"{x:.3f}" for x in RNG.uniform(1, 90, N)]
COMMA_GUESS = "decimal comma, thousands separated by '.', which is a guess"


def test_a_file_with_semicolons_may_have_decimal_points():
    def decide_all(**columns: list) -> dict[str, Decision]:
        arrays = {name: pyarrow.array(text(cells)) for name, cells in columns.items()}
        return {decision.column.name: decision for decision in decide(arrays, Choices(), ";")}

    def read(decision: Decision, cell: str) -> float:
        return decision.column.read(pyarrow.array([cell]), ()).features[decision.column.name][0]

    # Only the delimiter decides.
    alone = decide_all(c=THREE_DECIMALS, whole=RNG.integers(0, 500, N))
    assert (alone["c"].reason, alone["c"].doubts) == (COMMA_GUESS, (COMMA_GUESS,))
    assert read(alone["c"], "1.500") == 1500
    assert not alone["whole"].doubts
    assert decide_one(THREE_DECIMALS, delimiter=";", numbers=frozenset("c")).doubts == (COMMA_GUESS,)
    # Cells of another column decide, also for two columns that leave it open.
    with_points = decide_all(c=THREE_DECIMALS, d=THREE_DECIMALS[::-1], other=FLOATS * 7)
    assert [read(with_points[name], "1.500") for name in "cd"] == [1.5, 1.5]
    assert not with_points["c"].doubts
    with_commas = decide_all(c=THREE_DECIMALS, other=[str(x).replace(".", ",") for x in FLOATS * 7])
    assert read(with_commas["c"], "1.500") == 1500
    assert not with_commas["c"].doubts
    # A cell of the column itself decides.
    for cell, value, is_certain in (
        ("0.950", 1.5, True),
        ("1500", 1.5, True),
        ("950", 1500, True),
        ("0", 1500, False),
        ("-999", 1500, False),
    ):
        own = decide_one([*THREE_DECIMALS, cell], delimiter=";")
        assert read(own, "1.500") == value
        assert bool(own.doubts) != is_certain
    assert decide_one(THREE_DECIMALS).reason == ""


def test_a_guess_is_told_of_a_column_that_is_left_out():
    counter = [f"{i}.{j:03}" for i in range(1, 21) for j in range(0, 1000, 100)]
    decision = decide_one(counter, delimiter=";")
    assert decision.reason.endswith(COMMA_GUESS)
    assert isinstance(decision.column, LeftOut)
    assert decision.column.reason.endswith(COMMA_GUESS)


def test_doubts_are_part_of_the_reason():
    codes = decide_one([*FLOATS, *[-999] * 20])
    [doubt] = codes.doubts
    assert doubt.startswith("-999 in 9.1% of the rows may mean missing")
    assert doubt in codes.reason
    days = [f"{1 + i % 12:02}/{1 + i // 12 % 12:02}/{2020 + i % 3}" for i in range(N)]
    assert decide_one(days).doubts == ("day before month, which is a guess",)
    assert decide_one([*days, "13/01/2020"]).doubts == ()
    assert decide_one(FLOATS.tolist()).doubts == ()


@pytest.mark.parametrize(
    "notations",
    [("{:.1f} kg", "{:.2f} lb"), ("${:.2f}", "{:.2f} €"), ("{:.3f}", "{:.2f} bar"), ("{:.2f}K", "{:.2f}F")],
)
def test_numbers_in_different_notations_are_no_id(notations):
    cells = [notations[i % 2].format(value) for i, value in enumerate(RNG.uniform(1, 900, N))]
    decision = decide_one(cells)
    assert decision.kind == "mixed numbers"
    assert decision.reason == (
        f"look like numbers in different notations, such as {cells[0]!r} (row 0) and {cells[1]!r} (row 1); write all "
        "of them in one"
    )


def test_decimal_commas_and_points_in_equal_shares_are_no_id():
    cells = [
        "2.911",
        "1.53",
        "7,25",
        *(f"{value:.2f}".replace(".", ".,"[i % 2]) for i, value in enumerate(FLOATS)),
    ]
    decision = decide_one(cells)
    assert decision.kind == "mixed numbers"
    assert "such as '2.911' (row 0) and '7,25' (row 2); write" in decision.reason


@pytest.mark.parametrize("letters", ["ABCDEFGH", "0123456789abcdef"])
def test_codes_that_start_with_digits_are_an_id(letters):
    codes = [f"{i}{letters[i % len(letters)]}{letters[i * 7 % len(letters)]}" for i in RNG.permutation(N)]
    assert decide_one(codes).kind == "id"
    assert decide_one([f"{i:04}{'AB'[i % 2]}" for i in RNG.permutation(N)]).kind == "id"


def test_one_odd_cell_among_numbers_is_named_and_is_no_category():
    cells = text(FLOATS)
    cells[17] = "ERR"
    decision = decide_one(cells)
    assert isinstance(decision.column, NumberColumn)
    assert decision.problems == {17: "'ERR' is not a number"}
    assert not decide_one(cells, missing=("err",)).problems
    days = text(DAYS)
    days[3] = "soon"
    assert list(decide_one(days).problems) == [3]
    codes = ["1", "2", "3", "1", "2", "A"] * 30
    assert decide_one(codes).kind == "category"


@pytest.mark.parametrize(
    ("times", "cycles"),
    [
        ([dt.datetime(2021, 1, 1) + dt.timedelta(hours=i) for i in range(N)], (Cycle.HOUR,)),
        (
            [dt.datetime(2021, 1, 1) + dt.timedelta(hours=5 * i) for i in range(N)],
            (Cycle.HOUR, Cycle.WEEKDAY),
        ),
        ([dt.datetime(2021, 1, 1, i % 24) for i in range(N)], ()),
        ([dt.datetime(2021, 1, 1) + dt.timedelta(days=2 * i) for i in range(N)], (Cycle.WEEKDAY,)),
        (
            [dt.datetime(2021, 1, 1) + dt.timedelta(days=6 * i) for i in range(N)],
            (Cycle.WEEKDAY, Cycle.MONTH),
        ),
        ([dt.datetime(2021, 1, 1) + dt.timedelta(minutes=i) for i in range(N)], ()),
        ([dt.datetime(2021, 1, 4 + i % 5, 9 + i % 8) for i in range(N)], ()),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_only_cycles_that_occur_whole_and_repeat_are_read(times, cycles, as_text):
    decision = decide_one([time.isoformat() for time in times] if as_text else times)
    assert decision.kind == "date or time"
    if cycles:
        assert isinstance(decision.column, DateColumn)
        assert decision.column.cycles == cycles
    else:
        assert isinstance(decision.column, LeftOut)


def test_a_cycle_that_a_table_contains_once_is_read_only_if_the_user_wants_it():
    one_year = [dt.date(2021, 1 + i % 12, 15) for i in range(N)]  # with all seven weekdays
    decision = decide_one(one_year)
    assert isinstance(decision.column, LeftOut)
    assert decision.reason.endswith("often enough; dates=['c'] reads the weekdays and months of the year")
    decision = decide_one(one_year, dates=frozenset("c"))
    assert decision.column.cycles == (Cycle.WEEKDAY, Cycle.MONTH)
    office = [dt.datetime(2021, 1, 4 + i % 5, 9 + i % 8) + dt.timedelta(weeks=i % 6) for i in range(N)]
    assert decide_one(office).reason.endswith("dates=['c'] reads the hours of the day and weekdays")
    assert decide_one(office, dates=frozenset("c")).column.cycles == (Cycle.HOUR, Cycle.WEEKDAY)
    clock = [dt.time(i % 24) for i in range(N)]  # of one day or of many
    assert decide_one(clock).column.cycles == decide_one(text(clock)).column.cycles == (Cycle.HOUR,)


@pytest.mark.parametrize(
    ("cells", "cycles"),
    [
        ([f"{2000 + i % 20}-{1 + i % 12:02}" for i in range(N)], (Cycle.MONTH,)),
        ([f"{1 + i % 12:02}/{2000 + i % 20}" for i in range(N)], (Cycle.MONTH,)),
        ([f"{dt.date(2000 + i % 20, 1 + i % 12, 1):%b-%y}" for i in range(N)], (Cycle.MONTH,)),
        ([f"{2020 + i % 5}-W{1 + i % 52:02}" for i in range(N)], (Cycle.MONTH,)),
        ([f"Q{1 + i % 4} {2000 + i % 20}" for i in range(N)], (Cycle.QUARTER,)),
        ([f"{2000 + i % 20}Q{1 + i % 4}" for i in range(N)], (Cycle.QUARTER,)),
        ([f"Jan {1 + i % 28:2} {i % 24:02}:05:00" for i in range(N)], (Cycle.HOUR, Cycle.WEEKDAY)),
    ],
)
def test_months_weeks_and_quarters_are_dates(cells, cycles):
    decision = decide_one(cells)
    assert decision.kind == "date or time"
    assert decision.column.cycles == cycles


@pytest.mark.parametrize(
    "write",
    [
        lambda s: str(dt.timedelta(seconds=s)),
        lambda s: f"{s // 3600}:{s // 60 % 60:02}",
        lambda s: f"{s // 3600}h {s // 60 % 60}m",
        lambda s: f"PT{s // 60}M",
        lambda s: f"{s // 60} min" if s % 120 else f"{s / 3600} h",
        lambda s: dt.timedelta(seconds=s),
    ],
)
def test_durations_are_numbers_of_seconds(write):
    seconds = (60 * RNG.integers(0, 60 * 80, N)).tolist()
    decision = decide_one([write(s) for s in seconds])
    assert decision.kind == "duration"
    reading = decision.column.read(pyarrow.array([write(s) for s in seconds]), ())
    assert not reading.errors
    np.testing.assert_allclose(reading.features["c"], seconds)


def test_clock_times_below_a_day_are_times_of_the_day_unless_the_user_wants_numbers():
    cells = [f"{i % 24}:{i % 60:02}" for i in range(N)]
    assert decide_one(cells).column.cycles == (Cycle.HOUR,)
    assert decide_one(cells, numbers=frozenset("c")).column.is_duration
    shift = [f"{9 + i % 8:02}:{i % 60:02}" for i in range(N)]
    assert decide_one(shift).reason.endswith(
        "reads the hours of the day; with numbers=['c'] it is a duration"
    )
    assert decide_one(shift, numbers=frozenset("c")).column.is_duration
    shift = [f"{1 + i % 5}:{i % 60:02} PM" for i in range(N)]
    assert decide_one(shift).reason.endswith("dates=['c'] reads the hours of the day")
    assert decide_one(shift, dates=frozenset("c")).column.cycles == (Cycle.HOUR,)
    cells[3] = "25:10"
    assert decide_one(cells).kind == "duration"


@pytest.mark.parametrize(
    "kind", [pyarrow.time32("s"), pyarrow.time32("ms"), pyarrow.time64("us"), pyarrow.time64("ns")]
)
@pytest.mark.parametrize("choices", [{}, {"dates": frozenset("c")}])
def test_times_of_the_day_in_one_type_are_read_in_every_other(kind, choices):
    times = [dt.time(i % 24, i % 60) for i in range(N)]
    forms = [pyarrow.array(times, kind), pyarrow.array(text(times)), pyarrow.array(times)]
    expected = forms[1]
    for fitted in forms:
        column = decide({"c": fitted}, Choices(**choices))[0].column
        for cells in forms:
            reading = column.read(cells, ())
            assert not reading.errors
            np.testing.assert_array_equal(
                reading.features["c (sine of hour)"], column.read(expected, ()).features["c (sine of hour)"]
            )
    noon = column.read(pyarrow.array(["12:00"]), ())
    assert noon.features["c (cosine of hour)"] == [-1]


def test_the_same_instants_in_another_zone_have_the_same_cycles():
    instants = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=5 * i) for i in range(N)]
    local = [time.astimezone(dt.timezone(dt.timedelta(hours=2))).isoformat() for time in instants]
    column = decide_one(local).column
    assert column.offsets == ("+02:00",)
    expected = column.read(pyarrow.array(local), ()).features
    for cells in ([time.isoformat().replace("+00:00", "Z") for time in instants], instants):
        features = column.read(pyarrow.array(cells), ()).features
        for name, values in expected.items():
            np.testing.assert_array_equal(features[name], values)
        assert not len(column.foreign_offsets(pyarrow.array(cells), ()))
    # A detector of an earlier version knows no offsets, and reads the local clock.
    earlier = DateColumn.model_validate({k: v for k, v in column.model_dump().items() if k != "offsets"})
    in_utc = earlier.read(pyarrow.array(instants), ()).features
    naive = earlier.read(pyarrow.array([time.replace(tzinfo=None) for time in instants]), ()).features
    for name, values in naive.items():
        np.testing.assert_array_equal(in_utc[name], values)
    assert not len(earlier.foreign_offsets(pyarrow.array(instants), ()))


def test_clock_times_of_the_first_hours_of_a_day_are_durations():
    calls = [f"00:{i % 60:02}:{i % 7:02}.250" for i in range(N)]
    decision = decide_one(calls)
    assert decision.kind == "duration"
    reading = decision.column.read(pyarrow.array([*calls[:2], "25:00:00", "23:59:59"]), ())
    np.testing.assert_allclose(reading.features["c"], [0.25, 61.25, 90_000, 86_399])
    evening = [*calls, "13:05:00.000"]
    assert decide_one(evening).kind == "date or time"


def test_odd_cells_among_durations_are_named():
    cells = [f"{i}h {i % 60}m" for i in range(N)]
    cells[5] = "ERR"
    assert decide_one(cells).problems == {5: "'ERR' is not a duration like 01:23:45 or 2h 5m"}
    assert decide_one(["1h 5m"] * N).kind == "constant"
    assert decide_one([None] * (N - 2) + ["1h 5m", "3h 2m"]).kind == "mostly missing"


def test_numbers_that_usually_mean_missing_are_named_if_they_lie_far_away():
    cells = text(FLOATS)
    cells[3] = cells[7] = "-999"
    assert decide_one(cells).reason == "-999 in 1.0% of the rows may mean missing, see missing="
    assert decide_one(cells, missing=("-999",)).reason == ""
    assert decide_one(text(RNG.integers(900, 1000, N))).reason == ""


def test_dates_as_numbers():
    compact = [int(day.strftime("%Y%m%d")) for day in DAYS]
    assert decide_one(RNG.permutation(compact).tolist()).kind == "date or time"
    seconds = [int(dt.datetime(2021, 1, 1).timestamp()) + 5000 * int(i) for i in RNG.permutation(N)]
    assert decide_one(seconds, "timestamp").kind == "date or time"
    assert decide_one(seconds, "counts").kind != "date or time"
    for fractions in ([second + 0.25 for second in seconds], [f"{second}.250" for second in seconds]):
        assert decide_one(fractions, "ts").column.cycles == decide_one(seconds, "ts").column.cycles
        assert decide_one(fractions, "counts").kind == "number"
    milliseconds = [1000 * second + 123 for second in seconds]
    assert decide_one(milliseconds, "logged").kind == "date or time"
    long = [int(dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y%m%d%H%M%S")) for second in seconds]
    assert decide_one(long, "logged").kind == "date or time"
    assert decide_one(seconds, "counts", dates=frozenset(["c"])).kind != "date or time"  # another column
    assert decide_one(seconds, "counts", dates=frozenset(["counts"])).kind == "date or time"


def test_a_number_that_only_grows_is_read_and_remembered():
    grows = np.cumsum(RNG.random(N)).round(2)
    column = decide_one(grows.tolist()).column
    assert isinstance(column, NumberColumn)
    assert column.grew_to == grows[-1]
    assert decide_one(grows[::-1].tolist()).column == NumberColumn(name="c")


@pytest.mark.parametrize("write", [str, float, lambda x: f"{int(3600 * x) // 60} min {int(3600 * x) % 60} s"])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_counter_in_rows_in_the_order_of_time_is_left_out(newest_first, sign, write):
    times = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=i) for i in range(N)]
    meter = (500 + sign * np.cumsum(RNG.random(N))).round(2)
    power = RNG.normal(size=N).round(2).tolist()
    if newest_first:
        times, meter = times[::-1], meter[::-1]
    cells = [write(x) for x in meter]

    def decide_all(times: list, **choices) -> list[Decision]:
        columns = {"meter": cells, "power": power, "time": times}
        arrays = {name: pyarrow.array(column) for name, column in columns.items()}
        return decide(arrays, Choices(**choices))

    counter, other, _ = decide_all(times)
    assert counter.kind == ("only grows" if sign > 0 else "only falls")
    assert counter.reason == (
        "with the time of 'time', so that later rows lie beyond the training rows; numbers=['meter'] reads it"
    )
    assert isinstance(other.column, NumberColumn)
    assert isinstance(decide_all(times, numbers=frozenset({"meter"}))[0].column, NumberColumn)
    sorted_by_value = [times[i] for i in RNG.permutation(N)]
    assert isinstance(decide_all(sorted_by_value)[0].column, NumberColumn)


@pytest.mark.parametrize(("sign", "unit"), [("<", ""), (">", ""), ("<= ", " mg/l"), ("≥", "%")])
def test_limits_of_measurement_are_read_as_numbers(sign, unit):
    cells = [f"{x}{unit}" for x in FLOATS]
    cells[7] = cells[9] = f"{sign}0.5{unit}"
    decision = decide_one(cells)
    assert decision.kind == "number"
    assert not decision.problems
    assert f"{cells[7]!r} is read as 0.5{unit}" in decision.reason
    reading = decision.column.read(pyarrow.array([*cells, f"{sign}1,234.5{unit}", f"{sign}x"]), ())
    np.testing.assert_array_equal(reading.features["c"][[7, 8, 200, 201]], [0.5, FLOATS[8], 1234.5, np.nan])
    assert list(reading.errors) == [201]
    without = decide_one([cell for cell in cells if cell != cells[7]]).column
    assert without.read(pyarrow.array([cells[7]]), ()).features["c"] == [0.5]  # the first limit comes later
    assert decide_one(["<1", "1", "2", "3", ">3"] * 40).kind == "category"
    cells[3] = "neg"
    assert list(decide_one(cells).problems) == [3]


def test_the_user_decides():
    ids = RNG.permutation(N).tolist()
    assert isinstance(decide_one(ids, numbers=frozenset("c")).column, NumberColumn)
    assert isinstance(decide_one(ids, categories=frozenset("c")).column, CategoryColumn)
    assert isinstance(decide_one(text(DAYS), dates=frozenset("c")).column, DateColumn)
    assert len(decide_one(["a", "1"] * N, numbers=frozenset("c")).problems) == N


@pytest.mark.parametrize("cells", [["x", "y"] * N, [True, False] * N, ["x", *text(DAYS)], ["x", ""] * N])
def test_cells_that_are_no_dates_are_problems_if_the_user_wants_dates(cells):
    assert 0 in decide_one(cells, dates=frozenset("c")).problems
    assert decide_one([None, ""] * N, dates=frozenset("c")).kind == "empty"


@pytest.mark.parametrize("choice", [{}, {"dates": frozenset("c")}, {"categories": frozenset("c")}])
@pytest.mark.parametrize(
    "cells",
    [
        pyarrow.array([2**31 - 1] * N, pyarrow.int32()).cast(pyarrow.date32()),
        pyarrow.array([0] * N, pyarrow.timestamp("us", "Nowhere/City")),
    ],
    ids=["beyond year 9999", "unknown zone"],
)
def test_times_that_cannot_be_read_are_problems(cells, choice):
    [decision] = decide({"c": cells}, Choices(**choice))
    assert len(decision.problems) == N


def test_options_do_not_block_each_other():
    names = ["id", "id_b", "code_a", "code_b", "y"]
    choices = Choices(
        drop=["id*", "code_b"], categories=["code_*", "id_b"], numbers=["*"], label_column="y"
    ).resolve(names, "t")
    assert choices.drop == ("id", "code_b", "y")
    assert choices.categories == {"id_b", "code_a"}
    assert choices.numbers == set()
    with pytest.raises(InputError, match="column 'id' is in drop and in categories, which contradict"):
        Choices(drop=["id"], categories=["id"]).resolve(names, "t")
    with pytest.raises(InputError, match="dates='x': no such column"):
        Choices(dates=["x"]).resolve(names, "t")


@pytest.mark.parametrize(
    "cell",
    [
        "3,50",
        "5 kg",
        "$1.00",
        "Yes",
        "1h 5m",
        "1.234,5",
        "-0",
        "12 %",
        "x",
        "007",
        True,
        7,
        2.5,
    ],
)
def test_a_constant_is_equal_to_its_own_cells(cell):
    cells = pyarrow.array([cell] * N)
    decision = decide_one(cells.to_pylist(), delimiter=";")
    assert decision.kind == "constant"
    assert isinstance(decision.column, LeftOut)
    assert not len(decision.column.changed(cells, ()))
    other = pyarrow.array(["another"])
    assert decision.column.changed(other, ()).to_pylist() == ["another"]


@pytest.mark.parametrize(
    "cells",
    [
        pyarrow.array([str(row.tolist()) for row in RNG.normal(size=(N, 3))]),
        pyarrow.array(["broken", *(str(row.tolist()) for row in RNG.normal(size=(N, 3)))]),
        pyarrow.array([str(row) for row in RNG.normal(size=(N, 30))]),
    ],
    ids=["JSON", "JSON and a word", "NumPy"],
)
def test_lists_of_numbers_as_text_are_left_out_and_are_no_free_text(cells):
    [decision] = decide({"embedding": cells}, Choices(), ",")
    assert decision.kind == "other"
    assert isinstance(decision.column, LeftOut)
    assert "store them as .parquet or .jsonl" in decision.reason


def test_text_in_brackets_is_text():
    cells = text(f"[{word}] {number}" for number, word in zip(range(N), WORDS * N, strict=False))
    assert decide_one(cells).kind != "other"
