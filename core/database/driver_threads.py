"""The thread pool in which Motor runs MongoDB commands: a single thread as long as that is enough.

A request's commands take a fraction of a millisecond each. One thread runs a fifth more of them with the same CPU time
than ten threads, which wake one another and wait for the interpreter's lock. But a slow command in a single thread
would block all others. So when no call has started for a moment, another thread helps, and becomes idle again when
the queue is empty.
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

long_running: ContextVar[bool] = ContextVar("long_running", default=False)
"""Set for commands that are expected to take long, such as those that wait for changes. They run in a separate pool."""

queue_timeout: ContextVar[float] = ContextVar("queue_timeout", default=5.0)
"""The number of seconds that a call may wait for a thread. Then it fails with `WaitQueueTimeoutError`; without this
limit it could wait forever behind slow calls."""

Timed = Callable[[Callable[..., Any], float, BaseException | None], None]
"""Receives each call, its duration in seconds, and its error if it failed."""


def _ignore(_: Callable[..., Any], __: float, ___: BaseException | None) -> None:
    pass


_Work = tuple["Future[Any]", Callable[[], Any], float]
"""The future of a call, the call, and the latest time at which it may start."""


def no_thread() -> None:
    """Raise `WaitQueueTimeoutError`. Called instead of a call that waited too long; the metrics show it by this
    function's name."""
    raise WaitQueueTimeoutError("No thread became available in time")


class DriverThreads(Executor):
    """An executor of up to `max_threads` threads that starts with one and grows only when work stalls.

    Another thread helps when no call has started for `max_wait` seconds while calls wait. Use it from one event loop
    at a time. `timed` is called with the duration of each call.
    """

    def __init__(self, max_threads: int, max_wait: float = 0.002, timed: Timed = _ignore) -> None:
        self.max_threads = max_threads
        self.max_wait = max_wait
        self.timed = timed
        self._work: SimpleQueue[_Work] = SimpleQueue()
        self._idle = Semaphore(0)
        self._lock = Lock()
        self._threads = 0
        self._working = 0
        self._last_start = 0.0
        self._watcher: asyncio.AbstractEventLoop | None = None
        self._long_running = ThreadPoolExecutor(max_threads, thread_name_prefix="mongodb-long-running")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Queue a call for the threads, and return its future."""
        if long_running.get():
            return self._long_running.submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        call = fn if not (args or kwargs) else lambda: fn(*args, **kwargs)
        self._work.put((future, call, monotonic() + queue_timeout.get()))
        if self._watcher is not (loop := asyncio.get_running_loop()):
            self._watcher = loop
            if not self._working:
                self._add_thread()
            loop.call_later(self.max_wait, self._check_progress)
        return future

    def _check_progress(self) -> None:
        """Add a thread if no call has started lately, and check again later unless the queue is empty."""
        if self._work.empty():
            self._watcher = None
            return
        if monotonic() - self._last_start > self.max_wait:
            self._add_thread()
        asyncio.get_running_loop().call_later(self.max_wait, self._check_progress)

    def _add_thread(self) -> None:
        """Wake an idle thread, or start a new one."""
        with self._lock:
            if self._working == self.max_threads:
                return
            self._working += 1
            if self._working > self._threads:
                self._threads += 1
                Thread(target=self._run, name=f"mongodb-{self._threads}", daemon=True).start()
            else:
                self._idle.release()

    def _run(self) -> None:
        while True:
            future, call, latest = self._work.get()
            self._last_start = monotonic()
            if future.set_running_or_notify_cancel():
                self._call(future, call if self._last_start <= latest else no_thread)
            del future, call
            if self._becomes_idle():
                self._idle.acquire()

    def _call(self, future: "Future[Any]", call: Callable[[], Any]) -> None:
        started, result, failure = self._last_start, None, None
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 (passed on to the caller)
            failure = error
        self.timed(call, monotonic() - started, failure)
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

    def _becomes_idle(self) -> bool:
        """Return whether this thread is to become idle. The last working thread keeps waiting for calls instead."""
        with self._lock:
            if self._working == 1 or not self._work.empty():
                return False
            self._working -= 1
            return True
