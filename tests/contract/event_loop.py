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

INTERVAL = 0.005

# On a busy machine, the event loop can be late because its thread gets no time. The thread that watches gets none
# either then, so a loop counts as held only if the watch has seen it this often, always busy, with a module's function.
_MIN_SEEN = 8


class LoopWatch(threading.Thread):
    """Measures how long callbacks of a running app hold its event loop, by a timer of the loop that is due every few
    milliseconds. This thread looks meanwhile what the loop is doing.

    route  returns what the app is working on; nothing is reported if it is empty
    held   for each route that held the loop: the line of a module that was running, or an empty text
    """

    def __init__(self, client: TestClient, route: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        assert client.portal
        self.held: dict[str, str] = {}
        self._route = route
        self._stopped = threading.Event()
        self._thread = client.portal.call(threading.get_ident)
        client.portal.call(self._begin)
        client.portal.call(self._beat)

    def stop(self) -> None:
        """Stop watching. Call this before the app's event loop is closed."""
        self._stopped.set()
        self.join()
        gc.unfreeze()

    def run(self) -> None:
        gc.freeze()  # otherwise, a collection of what all tests have imported would hold the loop
        while not self._stopped.wait(INTERVAL):
            if place := _place_of(sys._current_frames().get(self._thread)):
                self._seen.append(place)

    def measure(self) -> None:
        """Report the route if it has held the loop since the last call. Only the loop's thread calls this.

        A function of a library in C may keep all other threads waiting, so that they see nothing; its processor time
        tells."""
        elapsed, used = time.monotonic() - self._at, time.thread_time() - self._used
        route, seen = self._route(), self._seen
        if route and (used > MAX_SECONDS or (elapsed > MAX_SECONDS and len(seen) >= _MIN_SEEN)):
            self.held[route] = Counter(seen).most_common(1)[0][0] if seen else ""
        self._begin()

    def _begin(self) -> None:
        self._at, self._used, self._seen = time.monotonic(), time.thread_time(), list[str]()

    def _beat(self) -> None:
        self.measure()
        if not self._stopped.is_set():
            asyncio.get_running_loop().call_later(INTERVAL, self._beat)


def _place_of(frame: FrameType | None) -> str:
    """Return the innermost line of a module in a stack, or an empty text."""
    while frame and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return place(frame.f_code.co_filename, frame.f_lineno) if frame else ""
