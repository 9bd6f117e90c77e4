import socket

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.serving.server import bind


def test_answers_are_sent_without_delay():
    """With Nagle's algorithm, the body of each answer would wait 40 ms for the acknowledgement of its head."""
    with bind("127.0.0.1", 0) as server, socket.create_connection(server.getsockname()):
        connection, _ = server.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_refused_in_one_line():
    with bind("127.0.0.1", 0) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            EbmoodError, match=rf"127.0.0.1:{port}: cannot be used .*; give another --port or --host"
        ):
            bind("127.0.0.1", port)
