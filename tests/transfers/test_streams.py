"""Limits of concurrent downloads and event streams per process and per user."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from core.errors import Problem, Unavailable
from modules.transfers import streams
from modules.transfers.streams import MAX_STREAMS, MAX_STREAMS_OF_USER, Stream, TooManyStreams
from tests.transfers.helpers import send

PATHS = (
    "/exports/students",
    "/exports/students?format=ndjson",
    "/exports/students?format=xlsx",
    "/imports/{id}/errors.csv",
    "/imports/{id}/errors.xlsx",
    "/imports/{id}/plan.csv",
    "/rankings?format=csv",
    "/statistics?format=xlsx",
)


class Streams:
    """Streams to clients that read one piece and then wait."""

    def __init__(self) -> None:
        self.may_continue = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, user: str) -> type[Problem] | None:
        """Open another stream, and return the error with which it is refused."""
        begun = asyncio.Event()

        async def content() -> AsyncIterator[bytes]:
            yield b"begun"
            await self.may_continue.wait()

        async def receive() -> Message:
            return await asyncio.Future[Message]()

        async def send(message: Message) -> None:
            if message.get("body"):
                begun.set()

        scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.3"}}
        task = asyncio.ensure_future(Stream(user, content())(scope, receive, send))
        await asyncio.wait([task, begun_task := asyncio.ensure_future(begun.wait())], return_when="FIRST_COMPLETED")
        begun_task.cancel()
        if task.done():
            error = task.exception()
            assert isinstance(error, Problem)
            return type(error)
        self.tasks.append(task)
        return None

    async def end(self) -> None:
        self.may_continue.set()
        await asyncio.gather(*self.tasks)
        self.tasks.clear()
        self.may_continue.clear()


@pytest.mark.anyio
async def test_one_user_cannot_open_all_streams() -> None:
    clients = Streams()

    assert [await clients.open("alice") for _ in range(MAX_STREAMS_OF_USER)] == [None] * MAX_STREAMS_OF_USER
    assert [await clients.open("alice"), await clients.open("bob")] == [TooManyStreams, None]
    await clients.end()
    assert await clients.open("alice") is None
    await clients.end()


@pytest.mark.anyio
async def test_a_process_has_a_limited_number_of_streams() -> None:
    clients = Streams()

    users = [f"user{number}" for number in range(MAX_STREAMS // MAX_STREAMS_OF_USER)]
    opened = [await clients.open(user) for user in users for _ in range(MAX_STREAMS_OF_USER)]

    assert (set(opened), len(opened)) == ({None}, MAX_STREAMS)
    assert await clients.open("one more") is Unavailable
    await clients.end()
    assert await clients.open("one more") is None
    await clients.end()


@pytest.mark.anyio
async def test_a_disconnected_client_frees_its_stream() -> None:
    clients = Streams()
    for _ in range(MAX_STREAMS_OF_USER):
        await clients.open("alice")

    for task in clients.tasks:
        task.cancel()
    await asyncio.wait(clients.tasks)
    clients.tasks.clear()

    assert await clients.open("alice") is None
    await clients.end()


@pytest.mark.parametrize(
    ("limit", "status", "type_"),
    [
        ("MAX_STREAMS_OF_USER", 429, "/problems/too-many-streams"),
        ("MAX_STREAMS", 503, "/problems/unavailable"),
    ],
)
def test_every_stream_is_counted(
    teacher: TestClient, monkeypatch: pytest.MonkeyPatch, limit: str, status: int, type_: str
) -> None:
    import_id = send(teacher, "roll_no\nS1\n").json()["id"]
    paths = [path.format(id=import_id) for path in PATHS]
    requests = [*((path, {}) for path in paths), (f"/imports/{import_id}", {"Accept": "text/event-stream"})]
    assert [teacher.get(path, headers=headers).status_code for path, headers in requests] == [200] * len(requests)

    monkeypatch.setattr(streams, limit, 0)

    for path, headers in requests:
        answer = teacher.get(path, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (status, type_), path
        assert int(answer.headers["Retry-After"]) > 0
    assert teacher.get(f"/imports/{import_id}").status_code == 200
    assert teacher.get("/students").status_code == 200


@pytest.mark.anyio
async def test_a_stream_is_closed_as_soon_as_its_client_leaves() -> None:
    """A workbook in the making deletes its files then."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"piece"
        finally:
            ended.set()

    async def receive() -> Message:
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            begun.set()
            await asyncio.Future()

    pieces = content()  # kept, so that it is not closed because nothing refers to it
    await Stream("alice", pieces)({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)

    assert ended.is_set()
