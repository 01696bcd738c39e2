"""A watch over an app's event loop: while a function blocks it, no other request is served."""

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

from fastapi.testclient import TestClient

from tests.contract.places import is_own, place

MAX_SECONDS = 0.1
"""How long a route may hold the event loop."""

_INTERVAL = 0.005

# On a busy machine, the event loop can be late because its thread gets no time. The thread that watches gets none
# either then, so a loop counts as held only if the watch has seen it this often, always busy, with a module's function.
_MIN_SEEN = 8


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
        gc.unfreeze()

    def run(self) -> None:
        gc.freeze()  # otherwise, a collection of what all tests have imported would hold the loop
        while not self._stopped.is_set():
            self._watch_once()

    def _watch_once(self) -> None:
        answered = threading.Event()
        # The pause is measured, too: a function of a library in C may keep this thread from its end.
        begun, used = time.monotonic(), time.clock_gettime(self._clock)
        self._stopped.wait(_INTERVAL)
        self._loop.call_soon_threadsafe(answered.set)
        places: list[str] = []
        while True:
            places.append(_place_of(sys._current_frames().get(self._thread)))
            route = self._route()
            is_late = time.monotonic() - begun > MAX_SECONDS and len(list(filter(None, places))) >= _MIN_SEEN
            if route and (is_late or time.clock_gettime(self._clock) - used > MAX_SECONDS):
                seen = Counter(filter(None, places)).most_common(1)
                self.held[route] = seen[0][0] if seen else ""
            if answered.wait(_INTERVAL) or self._stopped.is_set():
                return


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _place_of(frame: FrameType | None) -> str:
    """Return the innermost line of a module in a stack, or an empty text."""
    while frame and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return place(frame.f_code.co_filename, frame.f_lineno) if frame else ""
