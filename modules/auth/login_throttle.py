"""Counts of attempts, kept in the database so that all processes share them.

Failed sign-ins are counted by user and address, and by address: a stranger who guesses at a user's password from
somewhere else does not lock the user out. Every attempt, also one that succeeds, is counted by address, as it costs a
hash: one address must not use up what the service can do.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from core.clock import utc_now
from core.errors import TooManyRequests
from core.middleware import current_request
from modules.auth.metrics import THROTTLED
from modules.auth.models import LoginFailures
from modules.auth.refusals import refuse
from modules.auth.settings import AuthSettings

# An address that is refused is not looked up for each of its requests: a flood of them would keep the database and the
# event loop busy. Short, so that an operator who deletes the counter is obeyed.
REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 10_000

_refused: dict[str, tuple[float, datetime]] = {}
"""By the key of a full counter: until when, by `time.monotonic`, to refuse without a query; and when it ends."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The counters that one try to sign in belongs to: keys in `login_failures`."""

    account: str
    address: str


async def begin(username: str) -> Attempt:
    """Return the counters of a try that the caller makes at this name's password, and count the try. Raise
    `TooManyRequests` when there were too many tries, or too many failures."""
    await count_attempt()
    address = counted_address(current_request().address)
    attempt = Attempt(account=_key("account", username.lower(), address), address=_key("address", address))
    await refuse_if_blocked(attempt)
    return attempt


async def count_attempt() -> None:
    """Count one try of the caller's address at a password or a one-time code; raise `TooManyRequests` when it has
    made too many, whether or not they succeeded."""
    await _count("attempts", AuthSettings.current().login_attempts_per_address)


async def count_registration() -> None:
    """Count one try of the caller's address to register; raise `TooManyRequests` when it has made too many. This
    also limits how many e-mail addresses can be tried for an account."""
    await _count("registrations", AuthSettings.current().registrations_per_address)


async def _count(kind: str, limit: int) -> None:
    key, now = _key(kind, str(limit), counted_address(current_request().address)), time.monotonic()
    remembered_until, expires_at = _refused.get(key, (0.0, utc_now()))
    if remembered_until < now:
        count, expires_at = await _increment(key)
        if count <= limit:
            return
        _remember(key, now + REMEMBERED_SECONDS, expires_at)
    await refuse(_too_many("Too many tries from this address.", expires_at))


def _remember(key: str, until: float, expires_at: datetime) -> None:
    if len(_refused) >= MAX_REMEMBERED:
        _refused.clear()
    _refused[key] = until, expires_at


def _key(*parts: str) -> str:
    # Hashed, because what people type where a name belongs is sometimes their password.
    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=18).hexdigest()


def counted_address(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, since whoever has one address has all of those."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64)) if isinstance(parsed, IPv6Address) else address


async def refuse_if_blocked(attempt: Attempt) -> bool:
    """Raise `TooManyRequests` when one of the attempt's counters is at its limit. Return whether the account's counter
    holds any failure."""
    limits, now = _limits(attempt), utc_now()
    counters = await LoginFailures.find({"_id": {"$in": list(limits)}, "expires_at": {"$gt": now}}).to_list()
    full = [counter.expires_at for counter in counters if counter.failures >= limits[counter.id]]
    if full:
        await refuse(_too_many("Too many failed tries to sign in.", max(full)))
    return any(counter.id == attempt.account for counter in counters)


def _too_many(detail: str, until: datetime) -> TooManyRequests:
    THROTTLED.inc()
    return TooManyRequests(detail, retry_after=max(0, int((until - utc_now()).total_seconds())) + 1)


async def count_failure(attempt: Attempt) -> None:
    """Add one failure to each of the attempt's counters. Raise `TooManyRequests` when other tries that were made at the
    same moment have reached a limit before this one."""
    counts = [(await _increment(key), limit) for key, limit in _limits(attempt).items()]
    full = [expires_at for (count, expires_at), limit in counts if count > limit]
    if full:
        await refuse(_too_many("Too many failed tries to sign in.", max(full)))


def _limits(attempt: Attempt) -> dict[str, int]:
    settings = AuthSettings.current()
    return {attempt.account: settings.login_failures, attempt.address: settings.login_failures_per_address}


async def _increment(key: str) -> tuple[int, datetime]:
    """Add one to a counter. Return its count, and when the counter ends: after its window it begins anew. Exact among
    any number of processes: each step is one atomic command."""
    counters = LoginFailures.get_motor_collection()
    now = utc_now()
    while True:
        running = {"_id": key, "expires_at": {"$gt": now}}
        counter = await counters.find_one_and_update(
            running, {"$inc": {"failures": 1}}, return_document=ReturnDocument.AFTER
        )
        if counter is not None:
            return counter["failures"], counter["expires_at"]
        over = {"_id": key, "expires_at": {"$lte": now}}
        expires_at = now + timedelta(minutes=AuthSettings.current().login_window_minutes)
        try:
            await counters.update_one(over, {"$set": {"failures": 1, "expires_at": expires_at}}, upsert=True)
        except DuplicateKeyError:
            continue  # another process has begun the window meanwhile
        return 1, expires_at


async def forget_failures(attempt: Attempt) -> None:
    """The user has given the right password: what was mistyped before does not count any more."""
    await LoginFailures.find({"_id": attempt.account}).delete()
