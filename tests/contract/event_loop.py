"""A watch over an app's event loop: while a function blocks it, no other request is served."""

import asyncio
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from fastapi.testclient import TestClient

from tests.processes import ROOT

MAX_SECONDS = 0.1
"""How long a route may hold the event loop."""

_INTERVAL = 0.005

# On a busy machine, the event loop can be late because its thread gets no time. The thread that watches gets none
# either then, so a loop counts as held only if the watch has seen it this often, always busy, with a module's function.
_MIN_SEEN = 8

_LIBRARIES = (sysconfig.get_paths()["stdlib"], str(ROOT / "core"))


def is_own(file: str) -> bool:
    """Return whether a file belongs to a module, and not to core or to a library."""
    return file.endswith(".py") and "site-packages" not in file and not file.startswith(_LIBRARIES)


def place(file: str, line: int) -> str:
    """Return the text for a line of a file."""
    path = Path(file)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else file}, line {line}"


class LoopWatch(threading.Thread):
    """Looks every few milliseconds whether the event loop of a running app has carried out a callback.

    route  returns what the app is working on; nothing is reported if it is empty
    held   for each route that held the loop: the line of a module that was running, or an empty text
    """

    def __init__(self, client: TestClient, route: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        assert client.portal
        self.held: dict[str, str] = {}
        self._route = route
        self._loop = client.portal.call(_running_loop)
        self._thread = client.portal.call(threading.get_ident)
        self._clock = time.pthread_getcpuclockid(self._thread)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Stop watching. Call this before the app's event loop is closed."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._watch_once()

    def _watch_once(self) -> None:
        answered = threading.Event()
        begun, used = time.monotonic(), time.clock_gettime(self._clock)
        self._loop.call_soon_threadsafe(answered.set)
        places: list[str] = []
        while not answered.wait(_INTERVAL) and not self._stopped.is_set():
            places.append(_place_of(sys._current_frames().get(self._thread)))
            route = self._route()
            is_late = time.monotonic() - begun > MAX_SECONDS and len(list(filter(None, places))) >= _MIN_SEEN
            # A function of a library in C may keep all other threads waiting, this one included.
            if route and (is_late or time.clock_gettime(self._clock) - used > MAX_SECONDS):
                seen = Counter(filter(None, places)).most_common(1)
                self.held[route] = seen[0][0] if seen else ""
        self._stopped.wait(_INTERVAL)


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _place_of(frame: FrameType | None) -> str:
    """Return the innermost line of a module in a stack, or an empty text."""
    while frame and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return place(frame.f_code.co_filename, frame.f_lineno) if frame else ""
