"""Streamed responses, which last as long as their client reads: downloads and progress events.

Their number is limited per process and per user: `core.middleware.concurrency_limit` does not count responses that wait
for their client, and each of them holds memory, a connection and possibly a database cursor.
"""

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import TooManyRequests, Unavailable
from core.identity import verify_account
from modules.transfers.downloads.csv_file import DEFAULT_STYLE, CsvStyle
from modules.transfers.downloads.query import MEDIA_TYPES
from modules.transfers.downloads.table import T, Table
from modules.transfers.downloads.table_file import table_file

MAX_STREAMS = 40
MAX_STREAMS_OF_USER = 4

RETRY_SECONDS = 5
VERIFY_SECONDS = 30.0

_open = Counter[str]()


class TooManyStreams(TooManyRequests):
    """You have reached the limit of open downloads and event streams for one user in one process.
    Close one of them, or wait until one ends."""

    title = "Too many streams"


class Stream(StreamingResponse):
    """A streamed response to a user. Sending it raises `TooManyStreams` or `Unavailable` if too many are open."""

    def __init__(self, user: str, content: AsyncIterable[bytes], **options: Any) -> None:
        super().__init__(content, **options)
        self.user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _counted(self.user):  # not in `__init__`, because a response may be created and never sent
            try:
                await super().__call__(scope, receive, send)
            finally:
                await _close(self.body_iterator)


@contextmanager
def _counted(user: str) -> Iterator[None]:
    if _open[user] >= MAX_STREAMS_OF_USER:
        raise TooManyStreams(f"You already have {MAX_STREAMS_OF_USER} open streams.", retry_after=RETRY_SECONDS)
    if _open.total() >= MAX_STREAMS:
        raise Unavailable(
            "This server has reached its limit of open streams. Try again later.", retry_after=RETRY_SECONDS
        )
    _open[user] += 1
    try:
        yield
    finally:
        _open[user] -= 1
        if not _open[user]:
            del _open[user]


def download(name: str) -> dict[str, str]:
    """Return the headers of a download that browsers save under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def while_permitted(request: Request, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of a file, and verify the caller's account every `VERIFY_SECONDS`, as a client may read slowly.

    Raise `Unauthenticated` or `Forbidden` if the verification fails. This aborts the response, so that a partial file
    does not look complete.
    """
    verified = time.monotonic()
    try:
        async for piece in pieces:
            if time.monotonic() - verified >= VERIFY_SECONDS:
                await verify_account(request)
                verified = time.monotonic()
            yield piece
    finally:
        await _close(pieces)


async def _close(content: object) -> None:
    """Close a generator that may not have ended, so that its temporary files are deleted now."""
    if isinstance(content, AsyncGenerator):
        await content.aclose()


def file_stream(request: Request, user: str, name: str, format_: str, pieces: AsyncIterator[bytes]) -> Stream:
    """Return the download of a file that is made while it is sent."""
    headers = download(f"{name}.{format_}")
    return Stream(user, while_permitted(request, pieces), media_type=MEDIA_TYPES[format_], headers=headers)


def table_download(
    request: Request, user: str, table: Table[T], format_: str, style: CsvStyle = DEFAULT_STYLE
) -> Stream:
    """Return the download of a table, whose title is the name of the file."""
    return file_stream(request, user, table.title, format_, table_file(table, format_, style))
