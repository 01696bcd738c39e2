"""The idempotency keys that accounts have used: each is claimed while its request runs, and then has the response."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import digest
from typing import Any, Self

from beanie import Document
from pydantic import BaseModel
from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, PyMongoError

from core.api import retry_conflicts
from core.clock import utc_now
from core.database import collection, operation_timeout

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=24)

# The claim of a request whose process died ends after this time. A longer request renews its claim.
CLAIM_LIFETIME = timedelta(seconds=30)
RENEW_SECONDS = 10.0

# How many keys of an account are kept: the latest ones. One request in `TRIM_EVERY` deletes what is beyond.
MAX_OF_ACCOUNT = 1_000
TRIM_EVERY = 20


class StoredResponse(BaseModel):
    """The response to the first request with a key."""

    status: int
    headers: dict[str, str]
    body: bytes


class UsedKey(Document):
    """The use of an idempotency key by an account, for one request.

    `id` is computed by `hashed_key`, and `fingerprint` by `fingerprint_of`. `claimed_by` is a random name of the
    request while it is under way, and None afterwards. Then `response` is its response, unless that is not kept: if
    `keeps_response` is false, or if the response is too long.
    """

    id: str  # type: ignore[assignment]  # a hash instead of an ObjectId
    account: str
    fingerprint: str
    keeps_response: bool
    claimed_by: str | None
    used_at: datetime
    expires_at: datetime
    response: StoredResponse | None = None

    class Settings:
        """Queries ignore expired keys; the time-to-live index only deletes them."""

        name = "idempotency_keys"
        indexes = [
            IndexModel([("account", 1), ("used_at", -1)], name="of_account"),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]

    @classmethod
    def of(cls, account: str, key: str, request: Sequence[bytes], *, keeps_response: bool) -> Self:
        """Return the use of a key for a request with these parts. It is not stored yet: see `claim`."""
        now = utc_now()
        return cls(
            id=hashed_key(account, key),
            account=account,
            fingerprint=fingerprint_of(key, request),
            keeps_response=keeps_response,
            claimed_by=secrets.token_hex(8),
            used_at=now,
            expires_at=now + CLAIM_LIFETIME,
        )

    async def claim(self) -> Self | None:
        """Store that a request with this key is under way, and return None. If the account has used the key before,
        return that use instead.

        The unique index on `_id` ensures that only one of several concurrent requests gets the claim.
        """
        found = await retry_conflicts(self._try_to_claim)
        if found is not self:
            return found
        if secrets.randbelow(TRIM_EVERY) == 0:
            await self._delete_oldest()
        return None

    async def _try_to_claim(self) -> Self | None:
        now = utc_now()
        expired = {"_id": self.id, "expires_at": {"$lte": now}}
        try:
            await collection(type(self)).replace_one(
                expired, self.model_dump(exclude={"id", "revision_id"}), upsert=True
            )
        except DuplicateKeyError:
            return await type(self).find_one({"_id": self.id, "expires_at": {"$gt": now}})
        return self

    async def _delete_oldest(self) -> None:
        surplus = await type(self).find({"account": self.account}).sort("-used_at").skip(MAX_OF_ACCOUNT).first_or_none()
        if surplus:
            over = {"account": self.account, "used_at": {"$lte": surplus.used_at}, "claimed_by": None}
            await collection(type(self)).delete_many(over)

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Renew the claim periodically while the context is open."""
        renewal = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(PyMongoError):  # the next renewal may succeed in time
                await self._update({"$set": {"expires_at": utc_now() + CLAIM_LIFETIME}})

    async def finish(self, response: StoredResponse | None) -> None:
        """Store that the request has been carried out, with its response, or with None if it is not kept.

        An error is only logged: the request has been carried out, and the client gets its response.
        """
        done: dict[str, Any] = {"claimed_by": None, "expires_at": self.used_at + LIFETIME}
        try:
            if response:
                kept = {**done, "response": response.model_dump()}
                response = response if await self._update({"$set": kept}, keeps_response=True) else None
            if response is None:
                await self._update({"$set": done})
        except PyMongoError as error:
            log.warning("The response to a request with an Idempotency-Key was not stored: %s", error)

    async def release(self) -> None:
        """Delete the claim, so that the request can be repeated. If that fails, the claim expires."""
        with suppress(PyMongoError):
            await collection(type(self)).delete_one({"_id": self.id, "claimed_by": self.claimed_by})

    async def _update(self, update: dict[str, Any], **state: Any) -> bool:
        """Update the stored claim, and return True; return False if this request no longer holds it in this state."""
        result = await collection(type(self)).update_one(
            {"_id": self.id, "claimed_by": self.claimed_by, **state}, update
        )
        return bool(result.matched_count)


def hashed_key(account: str, key: str) -> str:
    """Return the hash under which an account's idempotency key is stored. The key itself is not stored, because it may
    contain the name of a student who is erased later, in any spelling."""
    return sha256(f"{account}:{key}".encode()).hexdigest()


def fingerprint_of(key: str, request: Sequence[bytes]) -> str:
    """Return a hash that is equal for equal parts of requests.

    It depends on the key, which is not stored, so that it does not tell whether a guess of the request is right.
    """
    return digest(key.encode(), b"".join(sha256(part).digest() for part in request), "sha256").hex()


async def forget_responses() -> None:
    """Delete all stored responses, and do not store those of the requests that are under way.

    Any of them may contain data of a student who is being erased. The keys remain, so no request is carried out twice.
    """
    with operation_timeout():
        await collection(UsedKey).update_many(
            {"_id": {"$gt": ""}}, {"$set": {"keeps_response": False}, "$unset": {"response": ""}}
        )
