"""Measure the latency and the throughput of `ebmood serve` over the loopback interface.

    python benchmarks/serving.py [--rows 10000] [--columns 20] [--seconds 10] [--merged 256] [--speed fast] [--arrow]

A detector is fitted on random rows and served by a process of its own. Clients with one connection each send requests
one after another. Requests and answers are JSON, or Arrow with `--arrow`. The clients run on the same machine and use
its cores too. The last line is for 200 clients that send one request of one row each at the same time, over a new
connection. Every score is compared with that of the detector.

`--merged 1` scores every request on its own, to show what scoring waiting requests together saves.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

import ebmood
from ebmood.cli import main
from ebmood.serving.messages import ARROW

SERVER = """
import sys
from ebmood.cli import run
from ebmood.serving import scoring
scoring.MERGED_ROWS = int(sys.argv.pop(1))
run()
"""
BURST = 200


def fit_model(folder: Path, rows: int, columns: int, speed: str) -> Path:
    x = np.random.default_rng(0).normal(size=(rows, columns))
    table = pa.table({f"x{i}": x[:, i] for i in range(columns)})
    parquet.write_table(table, folder / "fit.parquet")
    sys.argv = ["ebmood", "fit", str(folder / "fit.parquet"), "-o", str(folder / "model"), "--speed", speed]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
    return folder / "model"


def start(model: Path, merged: int) -> tuple[subprocess.Popen, int]:
    """Start the service, and return its process and its port."""
    words = [sys.executable, "-c", SERVER, str(merged), "serve", str(model), "--port", "0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    if "served at" not in line:
        raise SystemExit(line + process.stderr.read())
    return process, int(line.split("127.0.0.1:")[1].split(",")[0])


def to_body(x: np.ndarray, arrow: bool) -> bytes:
    names = [f"x{i}" for i in range(x.shape[1])]
    if not arrow:
        return json.dumps({"rows": [dict(zip(names, row, strict=True)) for row in x.tolist()]}).encode()
    sink = pa.BufferOutputStream()
    table = pa.table({name: x[:, i] for i, name in enumerate(names)})
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def scores_of(answer: bytes, arrow: bool) -> list[float]:
    if arrow:
        return ipc.open_stream(answer).read_all()["score"].to_pylist()
    return [result["score"] for result in json.loads(answer)["results"]]


def post(connection: http.client.HTTPConnection, body: bytes, arrow: bool) -> bytes:
    kind = ARROW if arrow else "application/json"
    connection.request("POST", "/score", body, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {content[:200]!r}")
    return content


def in_threads(count: int, function: Callable[[int], None]) -> float:
    """Run a function in threads at the same time, and return the seconds that all of them took."""
    barrier = threading.Barrier(count + 1)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        barrier.wait()
        try:
            function(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begin


def print_line(name: str, batch: int, clients: int, seconds: float, latencies: list[float]) -> None:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    rate = len(latencies) / seconds
    print(
        f"| {name} | {batch:,} | {clients} | {p50:,.1f} | {p99:,.1f} | {rate:,.0f} | {rate * batch:,.0f} |",
        flush=True,
    )


def measure(port: int, detector, batch: int, clients: int, seconds: float, arrow: bool) -> None:
    x = np.random.default_rng(batch).normal(size=(batch, len(detector.columns)))
    body, latencies = to_body(x, arrow), []
    expected = detector.score_samples(
        pa.table({name: x[:, i] for i, name in enumerate(detector.columns)})
    ).tolist()
    end = time.perf_counter() + seconds

    def work(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        answer = b""
        while not answer or time.perf_counter() < end:
            begin = time.perf_counter()
            answer = post(connection, body, arrow)
            latencies.append(time.perf_counter() - begin)
        if scores_of(answer, arrow) != expected:
            raise SystemExit("the scores of the service are not those of the detector")

    print_line("one after another", batch, clients, in_threads(clients, work), latencies)


def measure_burst(port: int, detector, arrow: bool) -> None:
    x = np.random.default_rng(1).normal(size=(BURST, len(detector.columns)))
    bodies, latencies = [to_body(row[None], arrow) for row in x], [0.0] * BURST
    expected = detector.score_samples(
        pa.table({name: x[:, i] for i, name in enumerate(detector.columns)})
    ).tolist()
    scores = [0.0] * BURST

    def work(number: int) -> None:
        begin = time.perf_counter()
        answer = post(http.client.HTTPConnection("127.0.0.1", port), bodies[number], arrow)
        latencies[number] = time.perf_counter() - begin
        (scores[number],) = scores_of(answer, arrow)

    seconds = in_threads(BURST, work)
    if scores != expected:
        raise SystemExit("the scores of the service are not those of the detector")
    print_line("all at once", 1, BURST, seconds, latencies)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--merged", type=int, default=256)
    parser.add_argument("--speed", default="default")
    parser.add_argument("--arrow", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = fit_model(Path(folder), options.rows, options.columns, options.speed)
        detector = ebmood.load(model)
        process, port = start(model, options.merged)
        load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(f"{options}; {os.cpu_count()} cores{load}")
        print("| requests | rows | clients | p50 ms | p99 ms | requests/s | rows/s |")
        print("| :-- | --: | --: | --: | --: | --: | --: |")
        try:
            measure(port, detector, 1, 1, 1.0, options.arrow)  # the first requests are slower
            for clients in (1, 16):
                for batch in (1, 32, 1024):
                    measure(port, detector, batch, clients, options.seconds, options.arrow)
            measure_burst(port, detector, options.arrow)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    run()
