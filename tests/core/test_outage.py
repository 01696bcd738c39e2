"""While the database is away the service says so, and when it is back the service goes on by itself."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from pymongo.uri_parser import parse_uri

from core.settings import Settings
from tests.conftest import AppClient, sign_in

STUDENT = {"roll_no": "S1", "name": "x", "branch": "y", "marks": {}}


class Relay:
    """A TCP port that leads to the test run's mongod, and that can be shut as if the server had died."""

    def __init__(self, portal: BlockingPortal, socket: str) -> None:
        self._portal = portal
        self._socket = socket
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.start()

    def start(self) -> None:
        self._portal.call(self._listen)

    def shut(self) -> None:
        self._portal.call(self._cut)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, behind}
        await asyncio.gather(self._pump(reader, behind), self._pump(behind_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()
        self._open.discard(writer)


@pytest.fixture
def relay(mongodb_url: str) -> Iterator[Relay]:
    with start_blocking_portal() as portal:
        relay = Relay(portal, parse_uri(mongodb_url)["nodelist"][0][0])
        yield relay
        relay.shut()


@pytest.fixture
def relayed(relay: Relay, open_client: AppClient) -> TestClient:
    """A signed-in client of a service whose database can go away."""
    url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true&timeoutMS=1000"
    return sign_in(open_client(mongodb_url=Settings.model_validate({"mongodb_url": url}).mongodb_url))


def test_an_outage_is_told_and_survived(relayed: TestClient, relay: Relay) -> None:
    requests = [
        ("GET", "/readyz", {}),
        ("POST", "/students", {"json": STUDENT}),
        ("POST", "/login", {"data": {"username": "alice", "password": "secure123"}}),
    ]
    relay.shut()
    for method, path, sent in requests:
        answer = relayed.request(method, path, **sent)  # type: ignore[arg-type]
        assert (path, answer.status_code) == (path, 503)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["detail"] == "The database does not answer."
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
        assert "127.0.0.1" not in answer.text
    assert relayed.get("/healthz").status_code == 200

    relay.start()
    # Each try waits until the driver gives up, so these are seconds.
    assert any(relayed.get("/readyz").status_code == 200 for _ in range(30))
    statuses = [relayed.request(method, path, **sent).status_code for method, path, sent in requests]  # type: ignore[arg-type]
    assert statuses == [200, 201, 200]
