"""Answers that go on for as long as their client reads: downloads, and events of an import's progress.

A process has a limited number of them under way, and of one user a few only: `core.middleware.concurrency_limit` does
not count an answer that waits for its client, and each of these holds memory, a connection and perhaps a cursor of the
database.
"""

import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import TooManyRequests, Unavailable
from core.identity import verify_account

MAX_STREAMS = 40
MAX_STREAMS_OF_USER = 4

RETRY_SECONDS = 5
VERIFY_SECONDS = 30.0

_open = Counter[str]()


class TooManyStreams(TooManyRequests):
    """You have as many exports, lists of failed rows and event streams open as one user may have in one process. End
    one of them, or wait until one has ended."""

    title = "Too many streams"


class Stream(StreamingResponse):
    """A streamed answer to a user. Answers with `TooManyStreams` or `Unavailable` instead where there are too many."""

    def __init__(self, user: str, content: AsyncIterable[bytes], **options: Any) -> None:
        super().__init__(content, **options)
        self.user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _counted(self.user):  # here, as an answer that is made may never be sent
            await super().__call__(scope, receive, send)


@contextmanager
def _counted(user: str) -> Iterator[None]:
    if _open[user] >= MAX_STREAMS_OF_USER:
        raise TooManyStreams(f"You have {MAX_STREAMS_OF_USER} streams open already.", retry_after=RETRY_SECONDS)
    if _open.total() >= MAX_STREAMS:
        raise Unavailable("There are as many streams as this server has at once.", retry_after=RETRY_SECONDS)
    _open[user] += 1
    try:
        yield
    finally:
        _open[user] -= 1
        if not _open[user]:
            del _open[user]


def download(name: str) -> dict[str, str]:
    """The headers of a file that a browser keeps under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def while_permitted(request: Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass on the pieces of a file that a client may take long to read, and verify the caller every `VERIFY_SECONDS`.
    Raise `Unauthenticated` or `Forbidden` otherwise, which cuts the answer off: half a file must not look complete."""
    verified = time.monotonic()
    async for piece in pieces:
        if time.monotonic() - verified >= VERIFY_SECONDS:
            await verify_account(request)
            verified = time.monotonic()
        yield piece
