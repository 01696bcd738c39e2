"""A client of an app in this process that enters the app's event loop once for each request."""

from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient


class DirectClient(TestClient):
    """A client of an app that is running already, in the event loop of `portal`.

    Starlette's client enters the event loop eight times for each request, which takes as long as many routes. It is
    used for streams, which this one would read to their end. The attributes `client` and `root_path` of `asgi` are the
    address of the client, and the path prefix of a proxy.
    """

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self.asgi = httpx2.ASGITransport(app, raise_app_exceptions=False, client=("testclient", 50000))
        httpx2.Client.__init__(
            self,
            transport=_Transport(self.asgi, portal),
            base_url="http://testserver",
            headers={"user-agent": "testclient"},
            follow_redirects=True,
        )
        self.app = app
        self.portal = portal

    def stream(self, *given: Any, **options: Any) -> Any:
        """Send a request like `httpx2.Client.stream`."""
        client = TestClient(self.app, raise_server_exceptions=False)
        client.portal, client.headers, client.event_hooks = self.portal, self.headers, self.event_hooks
        return client.stream(*given, **options)


class _Transport(httpx2.BaseTransport):
    def __init__(self, asgi: httpx2.ASGITransport, portal: BlockingPortal) -> None:
        self._asgi = asgi
        self._portal = portal

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()  # the body may be a generator
        status, headers, content = self._portal.call(self._send, request)
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(content), request=request)

    async def _send(self, request: httpx2.Request) -> tuple[int, httpx2.Headers, bytes]:
        response = await self._asgi.handle_async_request(request)
        return response.status_code, response.headers, b"".join([part async for part in response.aiter_raw()])
