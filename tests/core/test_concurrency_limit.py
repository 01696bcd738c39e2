"""Tests of which requests the concurrency limit counts; `tests/faults/test_overload.py` tests the client's view."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core.middleware.concurrency_limit import EXEMPT_PATHS
from core.middleware.request_context import RequestContextMiddleware
from core.settings import Settings

pytestmark = pytest.mark.anyio


class Site:
    """A service with a limit of one concurrent request, and its app."""

    def __init__(self) -> None:
        self.middleware = RequestContextMiddleware(self._app, Settings.model_validate({"max_concurrent_requests": 1}))
        self.may_continue = asyncio.Event()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/work":
                await self.may_continue.wait()
            case "/read":
                await Request(scope, receive).body()
            case "/stream":
                return await StreamingResponse(self._stream())(scope, receive, send)
        return await Response()(scope, receive, send)

    async def _stream(self) -> AsyncIterator[bytes]:
        yield b"begun"
        await self.may_continue.wait()

    async def ask(self, path: str, client: "asyncio.Future[Message] | None" = None) -> int:
        """Send a request and return the status of the response; `client` is the client's first message."""
        sent: list[Message] = []

        async def receive() -> Message:
            return await (client or asyncio.Future[Message]())

        async def send(message: Message) -> None:
            sent.append(message)

        asgi = {"version": "3.0", "spec_version": "2.3"}
        scope: dict[str, Any] = {"type": "http", "asgi": asgi, "method": "GET", "path": path, "headers": []}
        await self.middleware(scope, receive, send)
        return int(sent[0]["status"])


async def run_pending_tasks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_above_the_limit_are_rejected() -> None:
    site = Site()
    first = asyncio.create_task(site.ask("/work"))
    await run_pending_tasks()
    assert [await site.ask("/") for _ in range(3)] == [503, 503, 503]
    assert [await site.ask(path) for path in EXEMPT_PATHS] == [200] * len(EXEMPT_PATHS)
    site.may_continue.set()
    assert await first == 200
    assert [await site.ask("/") for _ in range(3)] == [200, 200, 200]


async def test_requests_that_wait_for_the_client_and_streams_do_not_count() -> None:
    site, body = Site(), asyncio.Future[Message]()
    reading = asyncio.create_task(site.ask("/read", body))
    streams = [asyncio.create_task(site.ask("/stream")) for _ in range(3)]
    await run_pending_tasks()
    assert await site.ask("/") == 200
    body.set_result({"type": "http.request"})
    site.may_continue.set()
    assert await asyncio.gather(reading, *streams) == [200, 200, 200, 200]
    assert site.middleware.concurrency_limit.running == 0


async def test_a_cancelled_request_no_longer_counts() -> None:
    site, body = Site(), asyncio.Future[Message]()
    reading = asyncio.create_task(site.ask("/read", body))
    await run_pending_tasks()
    reading.cancel()
    await asyncio.wait([reading])
    assert site.middleware.concurrency_limit.running == 0
