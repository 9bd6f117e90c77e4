import asyncio

import pytest
from fastapi import HTTPException, Request

from ebmood.serving.bodies import Limits, read_body


def test_a_body_that_is_cut_off_by_the_client_is_no_traceback():
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(HTTPException, match="closed before the end of the body"):
        asyncio.run(read_body(request, Limits()))
