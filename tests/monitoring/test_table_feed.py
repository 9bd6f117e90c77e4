import json
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK

from ebmood.core.errors import DataWarning, InputError
from ebmood.detector import EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.monitoring.table_feed import TableFeed
from ebmood.monitoring.times import Interval


def table(seed, rows, start="2020-01-01"):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "at": pd.date_range(start, periods=rows, freq="10min"),
            "flow": rng.normal(size=rows),
            "site": rng.choice(["a", "b"], rows),
        }
    )


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    path = tmp_path_factory.mktemp("fit") / "fit.csv"
    table(0, 300).to_csv(path, index=False)
    with warnings.catch_warnings(action="ignore"):
        choices = Choices(drop=["at"], categories=["site"])
        return TableDetector.fit(EnergyDetector(energy=QUICK, random_state=0), open_table(path), choices)


def encoded(frames):
    rows = pd.concat(frames)
    sites = (rows["site"] == "b").to_numpy(float)
    return np.column_stack([rows["flow"], sites])


def read(feed):
    return list(feed.batches())


def write(folder, name, frame):
    if name.endswith(".parquet"):
        frame.to_parquet(folder / name, index=False)
    else:
        frame.to_csv(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_batches_hold_all_rows_of_all_tables_in_order(tmp_path, detector, kind):
    frames = [table(1, 250), table(2, 130), table(3, 5)]
    paths = [write(tmp_path, f"{i}{kind}", frame) for i, frame in enumerate(frames)]
    batches = read(TableFeed(detector, paths, Interval(rows=100)))
    assert [len(batch.values) for batch in batches] == [100, 100, 100, 85]
    levels = detector.estimator.levels_[1]
    expected = encoded(frames) if levels == ("a", "b") else encoded(frames) * [1, -1] + [0, 1]
    np.testing.assert_array_equal(np.concatenate([batch.values for batch in batches]), expected)
    assert {batch.label for batch in batches} == {None}


def test_intervals_of_time_have_their_start_as_label(tmp_path, detector):
    paths = [
        write(tmp_path, "a.csv", table(1, 8)),
        write(tmp_path, "b.csv", table(2, 10, "2020-01-01 01:20")),
        write(tmp_path, "c.csv", table(3, 2, "2020-01-01 05:00")),
    ]
    batches = read(TableFeed(detector, paths, Interval(seconds=3600), "at"))
    assert [(batch.label, len(batch.values)) for batch in batches] == [
        ("2020-01-01T00:00:00Z", 6),
        ("2020-01-01T01:00:00Z", 6),
        ("2020-01-01T02:00:00Z", 6),
        ("2020-01-01T05:00:00Z", 2),
    ]


@pytest.mark.parametrize("position", [0, 60, 100, 160, 200])
def test_a_feed_continues_where_it_stopped(tmp_path, detector, position):
    frames = [table(1, 100), table(2, 100, "2020-02-01")]
    paths = [write(tmp_path, f"{i}.csv", frame) for i, frame in enumerate(frames)]
    whole = np.concatenate(
        [batch.values for batch in read(TableFeed(detector, paths, Interval(rows=20), "at"))]
    )
    first = TableFeed(detector, paths, Interval(rows=20), "at")
    before, stream = [], first.batches()
    while sum(map(len, before)) < position:
        before.append(next(stream).values)
    stream.close()
    second = TableFeed(detector, paths, Interval(rows=20), "at", position=first.position())
    after = [batch.values for batch in second.batches()]
    np.testing.assert_array_equal(np.concatenate([*before, *after]), whole)
    assert read(TableFeed(detector, paths, Interval(rows=20), "at", position=second.position())) == []


def test_a_table_that_grew_continues_after_the_rows_that_were_read(tmp_path, detector):
    frame = table(1, 90)
    path = write(tmp_path, "feed.csv", frame[:55])
    first = TableFeed(detector, [path], Interval(rows=20), "at")
    assert [len(batch.values) for batch in first.batches()] == [20, 20, 15]
    write(tmp_path, "feed.csv", frame)
    second = TableFeed(detector, [path], Interval(rows=20), "at", position=first.position())
    batches = read(second)
    assert [len(batch.values) for batch in batches] == [20, 15]
    np.testing.assert_array_equal(np.concatenate([b.values for b in batches])[:, 0], frame["flow"][55:])


def test_a_table_that_changed_or_shrank_is_refused(tmp_path, detector):
    frame = table(1, 90)
    path = write(tmp_path, "feed.csv", frame)
    first = TableFeed(detector, [path], Interval(rows=50))
    read(first)
    write(tmp_path, "feed.csv", frame[:40])
    with pytest.raises(InputError, match="50 rows fewer than before"):
        read(TableFeed(detector, [path], Interval(rows=50), position=first.position()))
    frame.loc[3, "flow"] += 1
    write(tmp_path, "feed.csv", frame)
    with pytest.raises(InputError, match="first 90 rows are not those that were watched"):
        read(TableFeed(detector, [path], Interval(rows=50), position=first.position()))


def test_rows_in_the_wrong_order_name_the_row(tmp_path, detector):
    late, early = table(1, 10, "2020-03-01"), table(2, 10)
    mixed = write(tmp_path, "mixed.csv", pd.concat([early, late, early]))
    with pytest.raises(InputError, match=r"mixed.csv: row 21, column 'at': 2020-01-01"):
        read(TableFeed(detector, [mixed], Interval(rows=5), "at"))
    paths = [write(tmp_path, "late.csv", late), write(tmp_path, "early.csv", early)]
    with pytest.raises(InputError, match=r"early.csv: row 1"):
        read(TableFeed(detector, paths, Interval(rows=5), "at"))
    first = TableFeed(detector, paths[:1], Interval(rows=5), "at")
    read(first)
    with pytest.raises(InputError, match=r"early.csv: row 1"):
        read(TableFeed(detector, paths[1:], Interval(rows=5), "at", position=first.position()))


def test_options_that_do_not_fit_together_are_refused(tmp_path, detector):
    path = write(tmp_path, "feed.csv", table(1, 10))
    with pytest.raises(InputError, match="name it with --time"):
        TableFeed(detector, [path], Interval(seconds=60))
    with pytest.raises(InputError, match="given twice"):
        TableFeed(detector, [path, path], Interval(rows=5))
    with pytest.raises(InputError, match=r"time_column='when': no such column"):
        read(TableFeed(detector, [path], Interval(rows=5), "when"))
    with pytest.raises(InputError, match="is a number, so an interval of time has no unit"):
        read(TableFeed(detector, [path], Interval(seconds=60), "flow"))


def days(start, rows, written):
    frame = table(int(start[3]), 700)[:rows]
    return frame.assign(at=pd.date_range(start, periods=rows, freq="D").strftime(written))


def labels(feed):
    return [batch.label for batch in feed.batches()]


@pytest.mark.parametrize("has_format", [True, False])
def test_dates_with_the_month_first_are_read_alike_in_every_part_of_a_feed(tmp_path, has_format):
    path = write(tmp_path, "fit.csv", days("2023-01-01", 700, "%m/%d/%Y"))
    choices = Choices(
        drop=[] if has_format else ["at"], dates=["at"] if has_format else [], categories=["site"]
    )
    with warnings.catch_warnings(action="ignore"):
        detector = TableDetector.fit(EnergyDetector(energy=QUICK, random_state=0), open_table(path), choices)
    feed = write(tmp_path, "feed.csv", days("2024-01-01", 10, "%m/%d/%Y"))
    first = TableFeed(detector, [feed], Interval(seconds=86400), "at")
    if has_format:
        assert labels(first) == [f"2024-01-{day:02}T00:00:00Z" for day in range(1, 11)]
    else:
        with pytest.warns(DataWarning, match="day before the month, which is a guess"):
            assert labels(first)[1] == "2024-02-01T00:00:00Z"
    position = json.loads(json.dumps(first.position()))
    write(tmp_path, "feed.csv", days("2024-01-01", 20, "%m/%d/%Y"))
    again = TableFeed(detector, [feed], Interval(seconds=86400), "at", position=position)
    if has_format:
        assert labels(again) == [f"2024-01-{day:02}T00:00:00Z" for day in range(11, 21)]
    else:
        with pytest.raises(InputError, match="row 13, column 'at': '01/13/2024' is no time like 31/01/2020"):
            labels(again)


def test_the_whole_first_part_decides_on_the_notation(tmp_path, detector):
    feed = write(tmp_path, "feed.csv", days("2024-01-01", 13, "%m/%d/%Y"))
    assert labels(TableFeed(detector, [feed], Interval(seconds=86400 * 30), "at")) == ["2023-12-19T00:00:00Z"]
    more = write(tmp_path, "more.csv", days("2024-02-01", 3, "%m/%d/%Y"))
    both = TableFeed(detector, [feed, more], Interval(rows=13), "at")
    assert labels(both) == ["01/01/2024", "02/01/2024"]


def test_the_position_of_an_older_version_can_be_continued(tmp_path, detector):
    feed = write(tmp_path, "feed.csv", days("2024-01-01", 12, "%m/%d/%Y"))
    first = TableFeed(detector, [feed], Interval(rows=12), "at")
    with warnings.catch_warnings(action="ignore"):
        read(first)
    position = first.position()
    old = {key: value for key, value in position.items() if key != "notation"}
    write(tmp_path, "feed.csv", days("2024-01-01", 14, "%m/%d/%Y"))
    again = TableFeed(detector, [feed], Interval(rows=12), "at", position=old)
    assert labels(again) == ["01/13/2024"]
