"""The service, as an app that kills its own process in the middle of a write: `tests.dying_app:app`.

A request with the header `X-Die-After: 3` ends the process once the third write of that request to a collection of
students or imports has been answered, as a power cut would. If a request writes less, or the header is 0, the process
survives, and the response has the number of writes in `X-Writes`. Reads are not counted: for the database, a kill after
one is the same as a kill before it, and jobs read at any time.
"""

import os
import signal
import threading
from datetime import timedelta

from fastapi import Request, Response
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    register,
)
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from core.database import lease

WRITES = {"insert", "update", "delete", "findAndModify"}


class Reaper(CommandListener):
    """Counts the writes to students and imports while a request is watched. One is watched at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours: set[int] = set()
        self.watching = False
        self.count = 0
        self._last = 0

    def watch(self, last: int) -> None:
        """Start to count, and kill the process after this number of writes; 0 never kills it."""
        self._last, self.count, self.watching = last, 0, True

    def started(self, event: CommandStartedEvent) -> None:
        """Remember a write to students or imports, just before it is sent."""
        if (
            self.watching
            and event.command_name in WRITES
            and str(event.command.get(event.command_name)).startswith(("student", "import"))
        ):
            self._ours.add(event.request_id)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a write that was answered, including with a duplicate key."""
        self._ended(event.request_id)

    def failed(self, event: CommandFailedEvent) -> None:
        """Count a write that was refused as a whole."""
        self._ended(event.request_id)

    def _ended(self, request_id: int) -> None:
        if request_id not in self._ours:
            return
        with self._lock:
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


reaper = Reaper()
register(reaper)  # before any client is made

# A process that dies with a lease does not release it. The next one need not wait for a minute.
lease.LAPSE, lease.RENEW_SECONDS = timedelta(seconds=3), 0.5

from main import app  # noqa: E402


async def _watch(request: Request, call_next: RequestResponseEndpoint) -> Response:
    if "X-Die-After" not in request.headers:
        return await call_next(request)
    reaper.watch(int(request.headers["X-Die-After"]))
    try:
        response = await call_next(request)
    finally:
        reaper.watching = False
    response.headers["X-Writes"] = str(reaper.count)
    return response


app.add_middleware(BaseHTTPMiddleware, dispatch=_watch)
