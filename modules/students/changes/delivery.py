"""Delivery of the feed of changes to the modules that follow it, each from its own position.

A process calls a module's handler only while it has the module's lease, so that calls never overlap and a handler never
gets an older state after a newer one. A call ends before its lease does. The position is stored after the call: if the
process dies in between, the next one calls the handler again with the same students.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

from bson import ObjectId
from pymongo.errors import PyMongoError

from core.clock import utc_now
from core.database import as_unavailable, collection, operation_timeout, read_majority
from core.errors import Unavailable
from core.events import Handler
from modules.students.changes.service import entries_after
from modules.students.events import CHANGED
from modules.students.models import ChangeFollower, StudentDocument, StudentSnapshot

log = logging.getLogger(__name__)

BATCH = 100

LEASE = timedelta(seconds=60)
CALL_SECONDS = 45.0
"""How long a call may take. It is less than the lease, so that a process that was paused does not call too late."""

RETRY = timedelta(seconds=30)
"""How long a module is not called after its handler has failed."""

WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Lease:
    """The right to call the handlers of a module, which is at this position of the feed."""

    module: str
    id: str
    position: int

    @classmethod
    async def acquire(cls, module: str) -> Self | None:
        """Return the lease; None if another call of the module's handlers is in progress."""
        now, lease = utc_now(), uuid4().hex
        found = await collection(ChangeFollower).find_one_and_update(
            {"_id": module, "expires_at": {"$lte": now}}, {"$set": {"lease": lease, "expires_at": now + LEASE}}
        )
        return cls(module, lease, found["position"]) if found else None

    async def call(self, work: Callable[[], Awaitable[int]]) -> None:
        """Call `work`, which returns the module's new position, and release the lease, also after an error. Raise
        `TimeoutError` if it takes longer than `CALL_SECONDS`."""
        position = self.position
        try:
            async with asyncio.timeout(CALL_SECONDS):
                with operation_timeout(CALL_SECONDS):
                    position = await work()
        finally:
            released: dict[str, Any] = {"position": position, "expires_at": utc_now()}
            await collection(ChangeFollower).update_one({"_id": self.module, "lease": self.id}, {"$set": released})


def _is_outage(error: Exception) -> bool:
    """Return whether an error is due to an outage of the database, which is logged elsewhere, once."""
    return isinstance(error, PyMongoError) and as_unavailable(error) is not None


async def register() -> None:
    """Store a position for each module that follows the changes for the first time: the beginning of the feed."""
    for module in CHANGED.followers():
        new = {"position": 0, "lease": "", "expires_at": utc_now(), "retry_at": utc_now()}
        await collection(ChangeFollower).update_one({"_id": module}, {"$setOnInsert": new}, upsert=True)


async def deliver() -> bool:
    """Deliver the next changes to each module that follows them in this app. Return whether more are available.

    A module whose handler fails, or is in progress elsewhere, is skipped, and gets the same changes the next time.
    """
    more = False
    for module, handle in CHANGED.followers().items():
        try:
            more |= await _deliver_to(module, handle)
        except Exception as error:
            if not _is_outage(error):
                log.exception("The module %s could not follow the changes of students; it is called again", module)
                pause = {"$set": {"retry_at": utc_now() + RETRY}}
                await collection(ChangeFollower).update_one({"_id": module}, pause)
    return more


async def _deliver_to(module: str, handle: Handler[Sequence[StudentSnapshot]]) -> bool:
    follower = await ChangeFollower.get(module)
    if follower is None or follower.retry_at > utc_now() or not (await entries_after(follower.position, 1)).students:
        return False
    lease = await _Lease.acquire(module)
    if lease is None:
        return False
    entries = await entries_after(lease.position, BATCH)

    async def work() -> int:
        if students := await _students(entries.students):
            await handle(students)
        return entries.last

    await lease.call(work)
    return entries.more


async def _students(ids: Sequence[ObjectId]) -> list[StudentSnapshot]:
    """Return the students of these `_id`s, in this order, without those who are being erased or have been."""
    found = read_majority(StudentDocument).find({"_id": {"$in": list(ids)}, "erasing": None})
    students = {stored["_id"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}
    return [students[one] for one in ids if one in students]


async def call_alone(module: str, handle: Handler[Any], happened: object) -> None:
    """Call a module's handler of another event while no handler of `CHANGED` of the module is in progress.

    Such a handler may have got the state before the event, and would otherwise store it after this call. Raise
    `Unavailable` if the module's handler does not end within `WAIT_SECONDS`.
    """
    if module not in CHANGED.followers():
        await handle(happened)
        return
    lease = await _wait_for(module)

    async def work() -> int:
        await handle(happened)
        return lease.position

    await lease.call(work)


async def _wait_for(module: str) -> _Lease:
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while (lease := await _Lease.acquire(module)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"The module {module} is still following earlier changes.")
        await asyncio.sleep(_POLL_SECONDS)
    return lease
