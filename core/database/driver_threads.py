"""The threads in which Motor talks to MongoDB: one, as long as that is enough.

A request's commands take a fraction of a millisecond each. One thread does a fifth more of them with the same CPU time
than ten, which wake one another and wait for the interpreter's lock. But a slow command in it would hold up everybody
else's; so as soon as nothing has moved for a moment, another thread helps, and goes back to rest when there is no work
left.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from time import monotonic
from typing import Any

from pymongo.errors import WaitQueueTimeoutError

long_running: ContextVar[bool] = ContextVar("aside", default=False)
"""Set where commands are expected to take long, such as those that wait for something to happen: they have threads of
their own."""

queue_timeout: ContextVar[float] = ContextVar("queue_timeout", default=5.0)
"""For how many seconds a call may wait for a thread. Then it fails with an error of the driver: behind calls that take
long themselves it could wait for ever."""

Timed = Callable[[Callable[..., Any], float, BaseException | None], None]
"""Is told of a call, how many seconds it took, and how it failed if it did."""


def _nobody(_: Callable[..., Any], __: float, ___: BaseException | None) -> None:
    pass


_Work = tuple["Future[Any]", Callable[[], Any], float]
"""A call, and by when it must begin."""


def no_thread() -> None:
    """Called instead of what has waited for too long; the metrics tell it by this name."""
    raise WaitQueueTimeoutError("No thread came free in time")


class DriverThreads(Executor):
    """An executor of up to `max_threads` threads that starts with one and grows only when work stalls.

    Another thread helps when no call has ended for `max_wait` seconds. Use it from within an event loop, one at a time.
    `timed` is called with the duration of each call.
    """

    def __init__(self, max_threads: int, max_wait: float = 0.002, timed: Timed = _nobody) -> None:
        self.max_threads = max_threads
        self.max_wait = max_wait
        self.timed = timed
        self._work: SimpleQueue[_Work] = SimpleQueue()
        self._resting = Semaphore(0)
        self._lock = Lock()
        self._threads = 0
        self._working = 0
        self._moved = 0.0
        self._watcher: asyncio.AbstractEventLoop | None = None
        self._aside = ThreadPoolExecutor(max_threads, thread_name_prefix="mongodb-aside")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Let a thread call this, soon."""
        if long_running.get():
            return self._aside.submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        call = fn if not (args or kwargs) else lambda: fn(*args, **kwargs)
        self._work.put((future, call, monotonic() + queue_timeout.get()))
        if self._watcher is not (loop := asyncio.get_running_loop()):
            self._watcher = loop
            if not self._working:
                self._help()
            loop.call_later(self.max_wait, self._look)
        return future

    def _look(self) -> None:
        """See that the work moves, as long as there is some."""
        if self._work.empty():
            self._watcher = None
            return
        if monotonic() - self._moved > self.max_wait:
            self._help()
        asyncio.get_running_loop().call_later(self.max_wait, self._look)

    def _help(self) -> None:
        """Wake one more thread, or make it."""
        with self._lock:
            if self._working == self.max_threads:
                return
            self._working += 1
            if self._working > self._threads:
                self._threads += 1
                Thread(target=self._run, name=f"mongodb-{self._threads}", daemon=True).start()
            else:
                self._resting.release()

    def _run(self) -> None:
        while True:
            future, call, latest = self._work.get()
            self._moved = monotonic()
            if future.set_running_or_notify_cancel():
                self._do(future, call if self._moved <= latest else no_thread)
            del future, call
            if self._may_rest():
                self._resting.acquire()

    def _do(self, future: "Future[Any]", call: Callable[[], Any]) -> None:
        started, result, failure = self._moved, None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 (it is the caller's)
            failure = error
        self.timed(call, monotonic() - started, failure)
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

    def _may_rest(self) -> bool:
        """Whether there is a thread too many: the last one waits for work, the others to be woken."""
        with self._lock:
            if self._working == 1 or not self._work.empty():
                return False
            self._working -= 1
            return True
