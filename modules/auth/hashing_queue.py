"""A bounded, fair queue of jobs for a few threads.

Jobs belong to flows, one flow for each client address. Flows are served in turn: a flow with many jobs waits as long as
a flow with few, and a new flow is served before the next job of flows that have already been served. This is start-time
fair queueing (Goyal, Vin and Cheng, 1996) with jobs of equal length.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import RLock
from typing import Any, TypeVar

from core.errors import TooManyRequests, Unavailable
from modules.auth.metrics import PASSWORDS_RUNNING, PASSWORDS_WAITING, THROTTLED

T = TypeVar("T")

RETRY_SECONDS = 5

# A new flow is due half a turn after the job that started last: before the next job of each flow that has been served.
# It is not due earlier, or an endless series of new flows would starve the others.
_TURN, _HALF_A_TURN = 2, 1


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """The flow of a job and its limits: `flow` has at most `max_per_flow` jobs in the queue, waiting or running.
    `client`, one of the clients that use the flow, has at most `max_per_client`."""

    flow: str
    max_per_flow: int
    client: str
    max_per_client: int


@dataclass(eq=False, slots=True)
class _Job:
    limits: FlowLimits
    work: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)


@dataclass(slots=True)
class _Flow:
    due: int
    waiting: deque[_Job] = field(default_factory=deque)
    size: int = 0


class HashingQueue:
    """A fair queue with its own pool of `threads` threads. It can be used from several event loops."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._lock = RLock()
        self._flows: dict[str, _Flow] = {}
        self._clients = Counter[str]()
        self._size = 0
        self._now = 0
        """The due time of the job that started last."""

    async def run(self, work: Callable[[], T], limits: FlowLimits, capacity: int) -> T:
        """Run `work` in a thread; return its result or raise its exception. Raise `TooManyRequests` if the client has
        reached its limit, and `Unavailable` if the flow has, or if the queue holds `capacity` jobs."""
        job = _Job(limits, work)
        self._add(job, capacity)
        # The callback belongs to the job, not to the request: a client that disconnects does not free the thread.
        job.future.add_done_callback(partial(self._remove, job))
        # Submit one call for each job; a call chooses its job when a thread is free.
        self._pool.submit(self._run_next)
        result: T = await asyncio.wrap_future(job.future)
        return result

    def _add(self, job: _Job, capacity: int) -> None:
        limits = job.limits
        with self._lock:
            flow = self._flows.get(limits.flow) or _Flow(due=self._now + _HALF_A_TURN)
            if self._clients[limits.client] >= limits.max_per_client:
                THROTTLED.inc()
                raise TooManyRequests("Too many concurrent attempts from this address.", retry_after=RETRY_SECONDS)
            if flow.size >= limits.max_per_flow or not (self._size < capacity or self._evict_for(flow)):
                raise Unavailable("Too many concurrent sign-ins.", retry_after=RETRY_SECONDS)
            self._flows[limits.flow] = flow
            flow.waiting.append(job)
            flow.size += 1
            self._size += 1
            self._clients[limits.client] += 1
            PASSWORDS_WAITING.inc()

    def _evict_for(self, newcomer: _Flow) -> bool:
        """Reject the newest waiting job of the largest flow, in favor of a flow that would still be smaller; return
        whether there was one."""
        largest = max(self._flows.values(), key=lambda flow: flow.size)
        if largest.size <= newcomer.size + 1 or not largest.waiting:
            return False
        rejection = Unavailable("Too many concurrent sign-ins.", retry_after=RETRY_SECONDS)
        future = largest.waiting[-1].future
        if future.set_running_or_notify_cancel():
            future.set_exception(rejection)
        return True

    def _run_next(self) -> None:
        job = self._next_job()
        if job is None or not job.future.set_running_or_notify_cancel():
            return  # the client has disconnected
        try:
            with PASSWORDS_RUNNING.track_inprogress():
                result = job.work()
        except BaseException as error:  # noqa: BLE001  # raised again in `run`
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _next_job(self) -> _Job | None:
        with self._lock:
            ready = [flow for flow in self._flows.values() if flow.waiting]
            if not ready:
                return None
            flow = min(ready, key=lambda flow: flow.due)  # the oldest flow among those with the same due time
            self._now, flow.due = flow.due, flow.due + _TURN
            PASSWORDS_WAITING.dec()
            return flow.waiting.popleft()

    def _remove(self, job: _Job, _: "Future[Any]") -> None:
        """Remove a job that is done, rejected or cancelled."""
        limits = job.limits
        with self._lock:
            flow = self._flows[limits.flow]
            if job in flow.waiting:
                flow.waiting.remove(job)
                PASSWORDS_WAITING.dec()
            flow.size -= 1
            self._size -= 1
            self._clients[limits.client] -= 1
            if not self._clients[limits.client]:
                del self._clients[limits.client]
            if not flow.size:
                del self._flows[limits.flow]
