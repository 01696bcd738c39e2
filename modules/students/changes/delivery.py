"""Delivery of the feed of changes to the modules that follow it, each from its own position.

A process calls a module's handler only while it has the module's lease, so that calls never overlap and a handler never
gets an older state after a newer one. A call ends before its lease does, or the lease is renewed until the end. The
position is stored after the call: if the process dies in between, the next one calls the handler again with the same
students.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from bson import ObjectId
from pymongo.errors import PyMongoError

from core.clock import utc_now
from core.database import Lease, as_unavailable, collection, operation_timeout, read_majority
from core.errors import Unavailable
from core.events import Handler
from modules.students.changes.service import entries_after
from modules.students.events import CHANGED
from modules.students.models import ChangeFollower, StudentDocument, StudentSnapshot

T = TypeVar("T")

log = logging.getLogger(__name__)

BATCH = 100

CALL_SECONDS = 45.0
"""How long a delivery of changes may take. It is less than a lease lasts, which is not renewed, so that a process that
was paused does not call too late. A call during a request may take as long, so that the request is answered."""

BACKGROUND_SECONDS = 300.0
"""How long the call of another event may take that no request waits for."""

PAUSE_SECONDS = 1.0
"""How long the delivery to a module pauses at the end of the feed."""

RETRY = timedelta(seconds=30)
"""How long a module is not called after its handler has failed."""

WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.05


async def _acquire(module: str) -> Lease | None:
    """Return the right to call the handlers of a module; None if a call is in progress."""
    return await Lease.try_acquire(f"students/changes for {module}")


async def _call(lease: Lease, work: Awaitable[T], seconds: float) -> T:
    """Await a call of a module's handlers, return its result, and release the lease, also after an error. Raise
    `TimeoutError` if the call takes longer than this."""
    try:
        async with asyncio.timeout(seconds):
            with operation_timeout(seconds):
                return await work
    finally:
        await lease.release()


def _is_outage(error: BaseException) -> bool:
    """Return whether an error is due to an outage of the database, which is logged elsewhere, once."""
    return isinstance(error, PyMongoError) and as_unavailable(error) is not None


async def register() -> None:
    """Store a position for each module that follows the changes for the first time: the beginning of the feed."""
    for module in CHANGED.followers():
        new = {"position": 0, "retry_at": utc_now()}
        await collection(ChangeFollower).update_one({"_id": module}, {"$setOnInsert": new}, upsert=True)


async def unregister(module: str) -> bool:
    """Delete the position of a module, and return whether it had one."""
    deleted = await collection(ChangeFollower).delete_one({"_id": module})
    return bool(deleted.deleted_count)


async def deliver_to(module: str) -> bool:
    """Deliver the next changes to a module. Return whether more are available.

    A module whose handler fails, or is in progress elsewhere, is skipped, and gets the same changes the next time.
    """
    try:
        return await _deliver_to(module, CHANGED.followers()[module])
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
            raise  # otherwise, something that the handler awaited was cancelled
        if not _is_outage(error):
            log.exception("The module %s could not follow the changes of students; it is called again", module)
            with suppress(PyMongoError):
                failed = {"$set": {"retry_at": utc_now() + RETRY}, "$inc": {"failures": 1}}
                await collection(ChangeFollower).update_one({"_id": module}, failed)
        return False


async def deliver_continuously() -> None:
    """Deliver the changes to each module that follows them in this app, for ever. None waits for a slow one."""
    async with asyncio.TaskGroup() as deliveries:
        for module in CHANGED.followers():
            deliveries.create_task(_deliver_continuously_to(module))


async def _deliver_continuously_to(module: str) -> None:
    while True:
        if not await deliver_to(module):
            await asyncio.sleep(PAUSE_SECONDS)


async def _deliver_to(module: str, handle: Handler[Sequence[StudentSnapshot]]) -> bool:
    follower = await ChangeFollower.get(module)
    CHANGED.report(module, failing=follower is not None and follower.is_failing)
    if follower is None or follower.retry_at > utc_now() or not (await entries_after(follower.position, 1)).students:
        return False
    lease = await _acquire(module)
    return lease is not None and await _call(lease, _deliver_next(module, handle), CALL_SECONDS)


async def _deliver_next(module: str, handle: Handler[Sequence[StudentSnapshot]]) -> bool:
    """Deliver the changes after the module's position, which is read again now that no other process can change it.
    Return whether more are available."""
    follower = await ChangeFollower.get(module)
    assert follower, "positions are never deleted while the module runs"
    entries = await entries_after(follower.position, BATCH)
    if students := await _students(entries.students):
        await handle(students)
    # Unless the process was paused for so long that another one has taken over.
    unchanged = {"_id": module, "position": follower.position}
    await collection(ChangeFollower).update_one(unchanged, {"$set": {"position": entries.last, "failures": 0}})
    return entries.more


async def _students(ids: Sequence[ObjectId]) -> list[StudentSnapshot]:
    """Return the students of these `_id`s, in this order, without those who are being erased or have been."""
    found = read_majority(StudentDocument).find({"_id": {"$in": list(ids)}, "erasing": None})
    students = {stored["_id"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}
    return [students[one] for one in ids if one in students]


async def call_alone(module: str, handle: Handler[T], happened: T, *, in_background: bool) -> None:
    """Call a module's handler of another event while no other call of the module's handlers is in progress.

    A handler of `CHANGED` may have got the state before the event, and would otherwise store it after this call. Raise
    `Unavailable` if the other call does not end within `WAIT_SECONDS`, `TimeoutError` if this one takes longer than
    `CALL_SECONDS` or, in the background, `BACKGROUND_SECONDS`, and `LeaseLost` if it was cancelled because another
    process has taken over.
    """
    lease = await _wait_for(module)

    async def call() -> None:
        await handle(happened)

    await _call(lease, lease.run_while_held(call), BACKGROUND_SECONDS if in_background else CALL_SECONDS)


async def _wait_for(module: str) -> Lease:
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while (lease := await _acquire(module)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable(f"The module {module} is still following an earlier event.")
        await asyncio.sleep(_POLL_SECONDS)
    return lease
