"""Leases: only one of all processes of the service does what a lease is named after."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn, Self, TypeVar

from beanie import Document
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from core.clock import utc_now
from core.database.bulk import collection

T = TypeVar("T")

# A lease that was not renewed for this long may be taken over. The machines' clocks must differ by much less.
LAPSE = timedelta(seconds=60)
RENEW_SECONDS = 10.0


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
        now = utc_now()
        owner = f"{socket.gethostname()}, process {os.getpid()} ({uuid.uuid4().hex[:8]})"
        try:
            # For a lease that has not expired, the upsert violates the unique index on `_id`.
            stored = await collection(cls).find_one_and_update(
                {"_id": name, "expires_at": {"$lte": now}},
                {"$set": {"owner": owner, "expires_at": now + LAPSE}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None
        lease: Self = cls.model_validate(stored)
        return lease

    @classmethod
    async def find_held(cls, name: str) -> Self | None:
        """Return the lease if it cannot be acquired now."""
        held: Self | None = await cls.find_one({"_id": name, "expires_at": {"$gt": utc_now()}})
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
                if not await self._set(expires_at=utc_now() + LAPSE):
                    raise LeaseLost

    async def release(self, *, pause: float = 0, failures: int = 0) -> None:
        """Let any process acquire the lease after a pause in seconds. If the database fails, the lease expires."""
        with suppress(PyMongoError):
            await self._set(expires_at=utc_now() + timedelta(seconds=pause), failures=failures)

    async def _set(self, **fields: Any) -> bool:
        """Change fields of the stored lease; return False if another process owns it."""
        result = await collection(type(self)).update_one({"_id": self.id, "owner": self.owner}, {"$set": fields})
        return bool(result.matched_count)
