"""A bounded queue for a few threads, in which nobody can keep others from their turn.

Jobs belong to flows, one flow for each address. Flows take turns: a flow with many jobs waits for as long as one with
few, and a flow that is new goes before the next job of all that have had theirs. This is start-time fair queueing
(Goyal, Vin and Cheng, 1996) with jobs of equal length.
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

# A new flow is due half a turn after the job that runs: before the next job of any flow that has had its turn, but not
# before it again and again, or endless new flows would keep the others waiting.
_TURN, _HALF_A_TURN = 2, 1


@dataclass(frozen=True, slots=True)
class Share:
    """Whose turn a job takes and how many places it may use: `flow` has at most `flow_places` jobs in the queue,
    waiting or running, and `holder`, one of those who share the flow, at most `holder_places`."""

    flow: str
    flow_places: int
    holder: str
    holder_places: int


@dataclass(eq=False, slots=True)
class _Job:
    share: Share
    work: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)


@dataclass(slots=True)
class _Flow:
    due: int
    waiting: deque[_Job] = field(default_factory=deque)
    places: int = 0


class HashingQueue:
    """Runs jobs in `threads` threads of its own. Safe to use from several event loops."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._lock = RLock()
        self._flows: dict[str, _Flow] = {}
        self._holders = Counter[str]()
        self._places = 0
        self._now = 0
        """When the job that began last was due."""

    async def run(self, work: Callable[[], T], share: Share, places: int) -> T:
        """Return what `work` returns, or raise what it raises. Raise `TooManyRequests` if the holder uses all the
        places that one holder may, and `Unavailable` if the flow or the queue has no free place of its `places`."""
        job = _Job(share, work)
        self._enter(job, places)
        # On the job, not on the waiting request: a client that leaves frees no thread.
        job.future.add_done_callback(partial(self._leave, job))
        # One call for each job; which job each call runs is decided when a thread is free.
        self._pool.submit(self._run_next)
        result: T = await asyncio.wrap_future(job.future)
        return result

    def _enter(self, job: _Job, places: int) -> None:
        share = job.share
        with self._lock:
            flow = self._flows.get(share.flow) or _Flow(due=self._now + _HALF_A_TURN)
            if self._holders[share.holder] >= share.holder_places:
                THROTTLED.inc()
                raise TooManyRequests("Too many tries at once from this address.", retry_after=RETRY_SECONDS)
            if flow.places >= share.flow_places or not (self._places < places or self._push_out(flow)):
                raise Unavailable("Too many people are signing in just now.", retry_after=RETRY_SECONDS)
            self._flows[share.flow] = flow
            flow.waiting.append(job)
            flow.places += 1
            self._places += 1
            self._holders[share.holder] += 1
            PASSWORDS_WAITING.inc()

    def _push_out(self, newcomer: _Flow) -> bool:
        """Refuse the newest waiting job of the largest flow in favour of a flow that would still be smaller."""
        largest = max(self._flows.values(), key=lambda flow: flow.places)
        if largest.places <= newcomer.places + 1 or not largest.waiting:
            return False
        refusal = Unavailable("Others have waited for longer.", retry_after=RETRY_SECONDS)
        future = largest.waiting[-1].future
        if future.set_running_or_notify_cancel():
            future.set_exception(refusal)
        return True

    def _run_next(self) -> None:
        job = self._take()
        if job is None or not job.future.set_running_or_notify_cancel():
            return  # its client has gone
        try:
            with PASSWORDS_RUNNING.track_inprogress():
                result = job.work()
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits for it
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _take(self) -> _Job | None:
        with self._lock:
            ready = [flow for flow in self._flows.values() if flow.waiting]
            if not ready:
                return None
            flow = min(ready, key=lambda flow: flow.due)  # of those due at once, the one that came first
            self._now, flow.due = flow.due, flow.due + _TURN
            PASSWORDS_WAITING.dec()
            return flow.waiting.popleft()

    def _leave(self, job: _Job, _: "Future[Any]") -> None:
        """Free the places of a job that is done, refused or cancelled."""
        share = job.share
        with self._lock:
            flow = self._flows[share.flow]
            if job in flow.waiting:
                flow.waiting.remove(job)
                PASSWORDS_WAITING.dec()
            flow.places -= 1
            self._places -= 1
            self._holders[share.holder] -= 1
            if not self._holders[share.holder]:
                del self._holders[share.holder]
            if not flow.places:
                del self._flows[share.flow]
