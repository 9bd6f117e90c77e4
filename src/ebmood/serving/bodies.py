"""Read the body of a request within limits, and write Arrow answers."""

from dataclasses import dataclass

import pyarrow
from fastapi import HTTPException, Request
from pyarrow import ipc
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from ebmood.core.errors import one_line
from ebmood.serving.messages import ARROW, ScoreRequest
from ebmood.serving.scoring import Rows

JSON = "application/json"


@dataclass(frozen=True)
class Limits:
    """The largest requests.

    Attributes:
        bytes: length of a body.
        rows: rows of a request.
        reason_rows: rows of a request with reasons, each of which needs the scores of eleven rows per feature.
    """

    bytes: int = 16 * 2**20
    rows: int = 10_000
    reason_rows: int = 256


async def read_body(request: Request, limits: Limits, advice: str = "send fewer rows at a time") -> bytes:
    """Return the body. `advice` says what to do if it is too long.

    Raises:
        HTTPException: 413, the body is too long; 400, the client closed the connection before its end.
    """
    too_long = HTTPException(413, f"the body is longer than {limits.bytes} bytes; {advice}")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.bytes:
        raise too_long
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limits.bytes:
                raise too_long
            parts.append(part)
    except ClientDisconnect:  # nobody reads the answer, but else the log gets a traceback
        raise HTTPException(400, "the connection was closed before the end of the body") from None
    return b"".join(parts)


def content_type(request: Request) -> str:
    """Return `JSON` or `ARROW`.

    Raises:
        HTTPException: 415, the body has another type.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in (JSON, ARROW) or request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(
            415, f"the header Content-Type is {kind!r}; send {JSON} or {ARROW}, without Content-Encoding"
        )
    return kind


def parse(body: bytes, kind: str, limits: Limits) -> Rows:
    """Return the rows of a body.

    Raises:
        HTTPException: 413, there are too many rows; 422, the body is malformed.
    """
    rows = _parse_json(body) if kind == JSON else _parse_arrow(body, limits)
    _check_rows(len(rows), limits)
    return rows


def arrow_stream(table: pyarrow.Table) -> bytes:
    """Return a table as a stream of the Arrow IPC format."""
    sink = pyarrow.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.rows:
        raise HTTPException(413, f"more than {limits.rows} rows; send fewer at a time")


def _parse_json(body: bytes) -> Rows:
    try:
        return ScoreRequest.model_validate_json(body).rows
    except ValidationError as error:
        raise HTTPException(422, _describe(error)) from None


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    match first["loc"]:
        case ("rows", int() as row, str() as column, *_):
            return f"row {row}, column {column!r}: must be a number, text, true, false, null, or a list of numbers"
        case ("rows", int() as row, *_):
            return f"row {row}: must be an object that maps column names to values"
        case ():
            return f"not valid JSON ({one_line(first['msg'])})"
        case location:
            return f'{".".join(map(str, location))}: {one_line(first["msg"])}; send {{"rows": [{{...}}]}}'


def _parse_arrow(body: bytes, limits: Limits) -> pyarrow.Table:
    batches, rows = [], 0
    try:
        with ipc.open_stream(body) as reader:
            for batch in reader:
                rows += batch.num_rows
                _check_rows(rows, limits)
                batch.validate(full=True)  # a malformed batch could make later code read other memory
                batches.append(batch)
            table = pyarrow.Table.from_batches(batches, reader.schema)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise HTTPException(422, f"not a stream of the Arrow IPC format ({one_line(error)})") from None
    return table
