"""What the services of rows and of images have in common: `/health`, `/model`, and one line for each refusal."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue

from ebmood.serving.messages import Health, Problem

Alpha = Annotated[
    float | None, Query(gt=0, lt=1, description="Level of the flags; that of the detector if absent.")
]


def new_service(
    description: str,
    about: Mapping[str, JsonValue],
    count: Callable[[], int],
    close: Callable[[], None],
) -> FastAPI:
    """Return an application with `/health` and `/model`.

    Args:
        description: one sentence for the page `/docs`.
        about: the answer of `/model`.
        count: returns the number of rows or images that were scored so far.
        close: called when the service stops.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        close()

    app = FastAPI(
        title="ebmood",
        description=description,
        version=version("ebmood"),
        lifespan=lifespan,
        dependencies=[Depends(_refuse_unknown_parameters)],
        responses={code: {"model": Problem} for code in (413, 415, 422)},
    )
    app.exception_handler(RequestValidationError)(_refuse_parameters)

    @app.get("/health")
    async def health() -> Health:
        """Answer as soon as scores can be computed."""
        return Health(rows=count())

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """Return what the detector was fitted on, as `ebmood inspect --json` does. It contains no training data."""
        return dict(about)

    return app


async def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a request with a parameter that its route does not have: it is likely a typing error."""
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        has = f"this address has {' and '.join(map(repr, known))}" if known else "this address has none"
        raise HTTPException(422, f"{unknown[0]!r}: no such parameter; {has}")


async def _refuse_parameters(request: Request, error: Exception) -> JSONResponse:
    """Answer a request with an invalid parameter in one line."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)
