"""The service over the loopback interface: every score is that of the detector, and every request gets an answer."""

import asyncio
import json
import math

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers.pump_model import pump_table
from helpers.quick_energy import QUICK
from helpers.run_cli import run
from helpers.running_service import running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc
from pydantic import BaseModel

from ebmood.detector import EnergyDetector, FrameDetector
from ebmood.detector.io.frame_stream import FrameStream
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.serving.app import create_app
from ebmood.serving.bodies import Limits
from ebmood.serving.messages import ARROW
from ebmood.serving.scoring import score_requests

LIMITS = Limits(bytes=200_000, rows=500, reason_rows=20)


@pytest.fixture(scope="module")
def client(detector):
    with running(create_app(detector, {"alpha": 0.05}, limits=LIMITS)) as client:
        yield client


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """New rows as JSON values, with gaps, another level and an outlier."""
    table = pump_table(200, 3)
    table.loc[0, "site"] = "Atlantis"
    table.loc[1, "flow [m3/h]"] = 1e6
    return json.loads(table.to_json(orient="records"))


def post_arrow(client: httpx.Client, table: pa.Table, **parameters) -> pa.Table:
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=64)
    headers = {"content-type": ARROW}
    answer = client.post("/score", content=sink.getvalue().to_pybytes(), headers=headers, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    return ipc.open_stream(answer.content).read_all()


def test_rows_have_the_scores_of_the_detector(client, detector, rows):
    expected = detector.score_batch(rows)
    answer = client.post("/score", json={"rows": rows}).json()
    assert answer["alpha"] == 0.05
    results = answer["results"]
    assert [result["score"] for result in results] == expected.scores.tolist()
    assert [result["p_value"] for result in results] == expected.p_values.tolist()
    assert [result["flag"] for result in results] == expected.flags.tolist()
    assert {result["error"] for result in results} == {None}
    assert results[0]["flag"]
    assert results[1]["flag"]


@pytest.mark.parametrize(
    "count", [200, 300]
)  # fewer and more rows than are scored together with other requests
def test_arrow_has_the_same_results(client, detector, count):
    table = pa.Table.from_pandas(pump_table(count, 3), preserve_index=False)
    expected = detector.score_batch(table, alpha=0.3)
    results = post_arrow(client, table, alpha=0.3)
    assert results.column_names == ["score", "p_value", "flag", "error"]
    assert results["score"].to_pylist() == expected.scores.tolist()
    assert results["p_value"].to_pylist() == expected.p_values.tolist()
    assert results["flag"].to_pylist() == expected.flags.tolist()


def test_alpha_changes_flags_only(client, rows):
    default, other = (
        client.post("/score", json={"rows": rows}, params=parameters).json()["results"]
        for parameters in ({}, {"alpha": 0.5})
    )
    assert [r["score"] for r in default] == [r["score"] for r in other]
    assert [r["flag"] for r in other] == [r["p_value"] <= 0.5 for r in other]
    assert sum(r["flag"] for r in other) > sum(r["flag"] for r in default)


def test_a_missing_value_may_be_null_or_nan_or_not_there(client, rows):
    row = rows[5] | {"starts": None}
    without = {name: value for name, value in row.items() if name != "starts"}
    bodies = [json.dumps({"rows": [each]}) for each in (row, without, row | {"starts": math.nan})]
    headers = {"content-type": "application/json"}
    answers = [client.post("/score", content=body, headers=headers).json() for body in bodies]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["results"][0]["error"] is None


def test_a_bad_row_has_an_error_and_the_others_their_scores(client, detector, rows):
    expected = detector.score_samples(rows[:20])
    bad = [dict(row) for row in rows[:20]]
    bad[4]["flow [m3/h]"] = "broken"
    bad[9]["starts"] = 2**60
    results = client.post("/score", json={"rows": bad}).json()["results"]
    assert results[4] == {
        "score": None,
        "p_value": None,
        "flag": None,
        "error": "row 4, column 'flow [m3/h]': 'broken' is not a number",
        "reasons": None,
    }
    assert results[9]["error"].startswith(
        "row 9, column 'starts': the whole number 1152921504606846976 is larger"
    )
    for row in set(range(20)) - {4, 9}:
        assert results[row]["score"] == expected[row]
    table = pa.Table.from_pandas(pd.DataFrame(rows[:20]), preserve_index=False)
    texts = [str(value) if value is not None else None for value in table["flow [m3/h]"].to_pylist()]
    texts[4] = "broken"
    answer = post_arrow(client, table.set_column(0, "flow [m3/h]", pa.array(texts)))
    assert answer["score"].to_pylist()[4] is None
    assert answer["score"].to_pylist()[5] == expected[5]
    assert "broken" in answer["error"].to_pylist()[4]


def test_cells_may_be_lists_of_numbers(tmp_path):
    rows = np.random.default_rng(0).normal(size=(120, 4)).tolist()
    table = pa.table({"e": rows[:100], "flow": [row[0] for row in rows[:100]]})
    fitted = TableDetector.fit(EnergyDetector(energy=QUICK, random_state=0), FrameStream(table))
    detector = FrameDetector(fitted)
    new = [{"e": row, "flow": 0.5} for row in rows[100:]]
    expected = detector.score_samples(new)
    with running(create_app(detector, {}, limits=LIMITS)) as client:
        answer = client.post("/score", json={"rows": new}).json()
        assert [result["score"] for result in answer["results"]] == expected.tolist()
        assert post_arrow(client, pa.Table.from_pylist(new))["score"].to_pylist() == expected.tolist()
        bad = [
            new[0],
            new[1] | {"e": [1, 2]},
            new[2] | {"e": "no list"},
            new[3] | {"flow": [1]},
            new[4] | {"e": None},
        ]
        results = client.post("/score", json={"rows": bad}, params={"reasons": 1}).json()["results"]
        assert [result["error"] for result in results] == [
            None,
            "row 1, column 'e': a list of 2 numbers, but those of the training rows have 4",
            "row 2, column 'e': 'no list' is not a list of numbers",
            "row 3, column 'flow': '[1]' is not a number",
            None,
        ]
        assert results[0]["score"] == expected[0]
        assert results[4]["reasons"][0]["feature"].startswith("e[")


def test_reasons_name_the_strange_feature(client, rows):
    results = client.post("/score", json={"rows": rows[:3]}, params={"reasons": 2}).json()["results"]
    assert results[1]["reasons"][0]["feature"] == "flow [m3/h]"
    assert results[1]["reasons"][0]["contribution"] > 1
    assert all(len(result["reasons"]) <= 2 for result in results)
    answer = client.post("/score", json={"rows": rows[:21]}, params={"reasons": 2})
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "more than 20 rows with reasons; send fewer at a time",
    )


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        ('{"rows": [{"flow": 1.0}]}', "application/json", 422, "column 'flow' was not in the training data"),
        (
            '{"rows": [{"starts": 1}, {"starts": {"a": 1}}]}',
            "application/json",
            422,
            "row 1, column 'starts': must be",
        ),
        ('{"rows": [1]}', "application/json", 422, "row 0: must be an object"),
        ('{"rows": []}', "application/json", 422, "rows: "),
        ('{"row": []}', "application/json", 422, "rows: "),
        ('{"rows": [', "application/json", 422, "not valid JSON"),
        ("[" * 100_000, "application/json", 422, "not valid JSON"),
        ("a=1", "application/x-www-form-urlencoded", 415, "Content-Type"),
        ("no arrow", ARROW, 422, "not a stream of the Arrow IPC format"),
        (json.dumps({"rows": [{}] * 501}), "application/json", 413, "more than 500 rows"),
        ("x" * 200_001, "application/json", 413, "longer than 200000 bytes"),
    ],
)
def test_invalid_requests_are_refused_in_one_line(client, body, kind, status, detail):
    answer = client.post("/score", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert detail in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_a_body_of_unknown_length_is_limited_too(client):
    parts = (b"x" * 1000 for _ in range(1000))
    answer = client.post("/score", content=parts, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_missing_column_of_arrow_is_named(client):
    table = pa.Table.from_pandas(pump_table(3, 0).drop(columns="starts"))
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = client.post("/score", content=sink.getvalue().to_pybytes(), headers={"content-type": ARROW})
    assert answer.status_code == 422
    assert "no column 'starts'" in answer.json()["detail"]


@pytest.mark.parametrize("parameters", [{"alpha": 0}, {"alpha": "x"}, {"reasons": -1}])
def test_invalid_parameters_are_refused(client, rows, parameters):
    answer = client.post("/score", json={"rows": rows[:1]}, params=parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(next(iter(parameters)))


def test_other_addresses(client):
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/model").json() == {"alpha": 0.05}
    assert client.get("/monitor").status_code == 404
    assert client.get("/docs").status_code == 200
    schema = client.get("/openapi.json").json()
    content = schema["paths"]["/score"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", ARROW}


def test_200_concurrent_requests_of_one_row_have_the_scores_of_the_detector(client, detector, rows):
    expected = detector.score_samples(rows).tolist()

    async def score_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=client.base_url, timeout=60, limits=limits) as concurrent:
            return await asyncio.gather(*(concurrent.post("/score", json={"rows": [row]}) for row in rows))

    answers = asyncio.run(score_all())
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["results"][0]["score"] for answer in answers] == expected


def test_a_refused_request_does_not_affect_those_that_are_scored_with_it(detector, rows):
    requests = [[rows[0]], [{"unknown": 1}], [rows[1] | {"starts": "x"}, rows[2]], [rows[3]]]
    first, unknown, bad, last = score_requests(detector, requests)
    assert "'unknown' was not in the training data" in str(unknown)
    expected = detector.score_samples(rows[:4])
    assert first.scores == expected[0]
    assert last.scores == expected[3]
    assert np.isnan(bad.scores[0])
    assert bad.scores[1] == expected[2]
    assert bad.errors.keys() == {0}
    assert bad.errors[0].startswith("row 0, column 'starts': ")


NUMBERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**54), 2**54),
    st.floats(-1e30, 1e30),
    st.sampled_from(["1", " 2.5 ", "NA", "true", "", "x", "1e999"]),
)
LEVELS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.sampled_from(["Oslo", "Bergen", "1", "1.0", "17", "true", "NA", "", " Oslo ", "2024-01-31T00:00:00"]),
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "flow [m3/h]": NUMBERS,
        "starts": NUMBERS,
        "running": NUMBERS,
        "site": LEVELS,
        "code": LEVELS,
        "day": LEVELS,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ROWS, min_size=2, max_size=6))
def test_results_do_not_depend_on_the_requests_that_are_scored_together(detector, rows):
    """A column that holds numbers in one request and text in another is the same as in separate requests."""
    together = score_requests(detector, [[row] for row in rows])
    alone = [score_requests(detector, [[row]])[0] for row in rows]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        assert a.errors == b.errors


class Counted(BaseModel):
    rows: int


class RowCounter:
    """A monitor that counts rows."""

    def __init__(self):
        self.state = Counted(rows=0)

    def update(self, X) -> None:
        self.state = Counted(rows=self.state.rows + len(X))


def test_a_monitor_sees_the_rows_that_are_scored(detector, rows):
    with running(create_app(detector, monitor=RowCounter())) as client:
        client.post("/score", json={"rows": rows[:7]})
        client.post("/score", json={"rows": [*rows[:2], rows[2] | {"starts": "x"}]})
        assert client.get("/monitor").json() == {"rows": 9}
        assert client.get("/health").json()["rows"] == 10


def test_the_description_is_by_default_that_of_the_saved_detector(model, detector, monkeypatch):
    code, out, _ = run(monkeypatch, "inspect", str(model), "--json")
    assert code == 0
    with running(create_app(detector)) as client:
        assert client.get("/model").json() == json.loads(out)


def test_unknown_parameters_are_refused_on_all_routes(client, rows):
    for path in ("/health", "/model", "/monitor"):
        answer = client.get(path, params={"alpha": 0.5})
        assert answer.status_code == 422
        assert answer.json() == {"detail": "'alpha': no such parameter; this address has none"}
    answer = client.post("/score", json={"rows": rows[:1]}, params={"alfa": 0.5, "alpha": 0.5})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "'alfa': no such parameter; this address has 'alpha' and 'reasons'"
    assert (
        client.post("/score", json={"rows": rows[:1]}, params={"reasons": 1, "alpha": 0.5}).status_code == 200
    )
