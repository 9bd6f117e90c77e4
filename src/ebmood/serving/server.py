"""Run the service on a port until the process is asked to stop."""

import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from ebmood.core.errors import EbmoodError

SHUTDOWN_SECONDS = 30
"""Time for requests that are being answered when the service is asked to stop."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address. Port 0 stands for any free port.

    Raises:
        EbmoodError: the port is in use, or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EbmoodError(
            f"{host}:{port}: cannot be used ({reason}); give another --port or --host"
        ) from error
    # asyncio sets this for sockets that it has created itself. Otherwise, the body of an answer waits for the
    # acknowledgement of its head, which the client delays by 40 ms. Accepted connections inherit the option.
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def serve(
    app: FastAPI, address: socket.socket, on_start: Callable[[], None], access_log: bool = False
) -> None:
    """Answer requests until SIGTERM or Ctrl-C. Requests that are being answered are finished.

    Args:
        app: the service.
        address: the result of `bind`.
        on_start: called when the service is about to answer.
        access_log: whether to write one line for each request on standard error.
    """
    settings = uvicorn.Config(
        app,
        log_level="info" if access_log else "warning",
        access_log=access_log,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # After its shutdown uvicorn raises the signal again, which would end the process with an error.
    handlers = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        on_start()
        uvicorn.Server(settings).run(sockets=[address])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        address.close()


def _ignore(*_: object) -> None:
    """Do nothing: the service has already stopped."""
