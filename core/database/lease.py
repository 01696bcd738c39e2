"""Leases: only one of all processes of the service does what a lease is named after.

A lease ends by the clock of the database, because those of the machines of the service may differ.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Self, TypeVar

from beanie import Document
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from core.clock import utc_now
from core.database.bulk import collection
from core.database.client import is_in_memory

T = TypeVar("T")

# A lease that was not renewed for this long may be taken over.
LAPSE = timedelta(seconds=60)
RENEW_SECONDS = 10.0

_EPOCH = datetime.fromtimestamp(0, UTC)


class LeaseLost(Exception):
    """Another process has taken over, because this one did not renew its lease in time."""


class Lease(Document):
    """The exclusive right of one process, its owner, to do something, until it expires.

    failures   how many owners in a row have failed; see `core.operations.jobs`
    """

    id: str  # type: ignore[assignment]  # what the lease is for
    owner: str
    expires_at: datetime
    failures: int = 0

    class Settings:
        """Needs no index: it is read by `_id` only."""

        name = "leases"

    @classmethod
    async def try_acquire(cls, name: str) -> Self | None:
        """Return the lease, whose owner is now the caller; None if it has an owner already."""
        owner = f"{socket.gethostname()}, process {os.getpid()} ({uuid.uuid4().hex[:8]})"
        target = collection(cls)
        free, update = {"_id": name, **_expires(target, "$lte")}, _update(target, LAPSE, owner=owner)
        while not (stored := await target.find_one_and_update(free, update, return_document=ReturnDocument.AFTER)):
            try:  # no upsert, because its filter cannot compare with the clock of the database
                await target.insert_one({"_id": name, "owner": "", "expires_at": _EPOCH})
            except DuplicateKeyError:
                return None  # it has not expired
        lease: Self = cls.model_validate(stored)
        return lease

    @classmethod
    async def find_held(cls, name: str) -> Self | None:
        """Return the lease if it cannot be acquired now."""
        held: Self | None = await cls.find_one({"_id": name, **_expires(collection(cls), "$gt")})
        return held

    @classmethod
    async def run_exclusively(cls, name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run `work`, unless another process does. Cancel it if another process has taken over."""
        if lease := await cls.try_acquire(name):
            try:
                with suppress(LeaseLost):
                    await lease.run_while_held(work)
            finally:
                await lease.release()

    async def run_while_held(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work`, renew the lease meanwhile, and return the result. Cancel the work and raise `LeaseLost` if
        another process has taken over.

        While the database is unreachable the work continues, so in a long outage two processes may do it at once.
        """
        working, renewal = asyncio.create_task(work()), asyncio.create_task(self._renew())
        try:
            await asyncio.wait({working, renewal}, return_when=asyncio.FIRST_COMPLETED)
            return await (working if working.done() else renewal)
        finally:
            for task in (working, renewal):
                task.cancel()
            await asyncio.gather(working, renewal, return_exceptions=True)

    async def _renew(self) -> NoReturn:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(PyMongoError):  # the lease expires late enough for a short outage
                if not await self._set(LAPSE):
                    raise LeaseLost

    async def release(self, *, pause: float = 0, failures: int = 0) -> None:
        """Let any process acquire the lease after a pause in seconds. If the database fails, the lease expires."""
        with suppress(PyMongoError):
            await self._set(timedelta(seconds=pause), failures=failures)

    async def _set(self, ends_in: timedelta, **fields: Any) -> bool:
        """Change the end and other fields of the stored lease; return False if another process owns it."""
        target = collection(type(self))
        result = await target.update_one({"_id": self.id, "owner": self.owner}, _update(target, ends_in, **fields))
        return bool(result.matched_count)


def _expires(target: Any, operator: str) -> dict[str, Any]:
    """Return a condition that compares the end of a lease with the present time."""
    if is_in_memory(target):  # mongomock has no `$$NOW`, and one process only
        return {"expires_at": {operator: utc_now()}}
    return {"$expr": {operator: ["$expires_at", "$$NOW"]}}


def _update(target: Any, ends_in: timedelta, **fields: Any) -> Any:
    """Return an update that sets the end of a lease, counted from the present time, and other fields."""
    if is_in_memory(target):
        return {"$set": {**fields, "expires_at": utc_now() + ends_in}}
    literals = {name: {"$literal": value} for name, value in fields.items()}
    return [{"$set": {**literals, "expires_at": {"$add": ["$$NOW", ends_in / timedelta(milliseconds=1)]}}}]
