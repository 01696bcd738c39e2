"""Rate limits on sign-ins, with counters in the database that all processes share.

Failed sign-ins are counted per user and address, and per address: an attacker who guesses a user's password from
another address does not lock the user out. All attempts, including successful ones, are counted per address, because
each attempt computes a hash: a single address must not use up the service's capacity.

An account is named by its user name or its e-mail address. Failures are counted for each of these names, with 429 at
the limit, and for both together. At that limit, the right password is treated as a wrong one, without 429: otherwise,
failures with a user name would show whether an e-mail address belongs to the same account, and so that it has one.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from core.clock import utc_now
from core.database import collection
from core.errors import TooManyRequests
from core.middleware import current_request
from modules.auth.delayed_rejection import reject_with_delay
from modules.auth.metrics import THROTTLED
from modules.auth.models import LoginFailures
from modules.auth.settings import AuthSettings

# A blocked address is remembered, so that a flood of requests from it does not cause a query for each request. The time
# is short, so that deleting a counter in the database takes effect soon.
REMEMBERED_SECONDS = 1.0
MAX_REMEMBERED = 10_000

_blocked: dict[str, tuple[float, datetime]] = {}
"""For the key of each full counter: until when to reject without a query (`time.monotonic`), and when the counter
expires."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The counters of one attempt at a password: keys in `login_failures`. `shown` are those that reject the attempt
    with `TooManyRequests` when they are full."""

    name: str
    account: str
    address: str
    shown: frozenset[str]


class Standing(NamedTuple):
    """Whether the name or the account of an attempt has failures, and whether the account has too many of them: then
    the attempt must fail as with a wrong password."""

    has_failures: bool
    is_blocked: bool


async def begin(name: str, account: str, *, signed_in: bool = False) -> Attempt:
    """Return the counters of an attempt at the password of an account, by the `name` that was sent. Without such an
    account, both are the same. A caller who is `signed_in` is told if the account is blocked.

    Call `count_attempt` before. Raise `TooManyRequests` after too many failures.
    """
    address = counted_address(current_request().address)
    by_name, by_account = (_key(kind, text, address) for kind, text in (("name", name), ("account", account)))
    by_address = _key("address", address)
    shown = {by_name, by_address, *([by_account] if signed_in else [])}
    attempt = Attempt(by_name, by_account, by_address, frozenset(shown))
    await check_not_blocked(attempt)
    return attempt


async def count_attempt() -> None:
    """Count one attempt of the caller's address at a password or a one-time code. Raise `TooManyRequests` after too
    many attempts, whether or not they succeeded."""
    await _count("attempts", AuthSettings.current().login_attempts_per_address)


async def count_registration() -> None:
    """Count one registration attempt of the caller's address; raise `TooManyRequests` after too many. This also limits
    probing which e-mail addresses have an account."""
    await _count("registrations", AuthSettings.current().registrations_per_address)


async def _count(kind: str, limit: int) -> None:
    key, now = _key(kind, str(limit), counted_address(current_request().address)), time.monotonic()
    remembered_until, expires_at = _blocked.get(key, (0.0, utc_now()))
    if remembered_until < now:
        count, expires_at = await _increment(key)
        if count <= limit:
            return
        _remember(key, now + REMEMBERED_SECONDS, expires_at)
    await reject_with_delay(_too_many("Too many attempts from this address.", expires_at))


def _remember(key: str, until: float, expires_at: datetime) -> None:
    if len(_blocked) >= MAX_REMEMBERED:
        _blocked.clear()
    _blocked[key] = until, expires_at


def _key(*parts: str) -> str:
    # Hashed, because users sometimes type their password in place of their user name.
    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=18).hexdigest()


def counted_address(address: str) -> str:
    """Return the address or network that is counted as one client: for IPv6 the first 64 bits, since a client usually
    controls the whole /64 network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64)) if isinstance(parsed, IPv6Address) else address


async def check_not_blocked(attempt: Attempt) -> Standing:
    """Raise `TooManyRequests` if one of the attempt's shown counters has reached its limit. Return the standing of the
    account."""
    limits, now = _limits(attempt), utc_now()
    counters = await LoginFailures.find({"_id": {"$in": list(limits)}, "expires_at": {"$gt": now}}).to_list()
    full = {counter.id: counter.expires_at for counter in counters if counter.failures >= limits[counter.id]}
    if shown := full.keys() & attempt.shown:
        await reject_with_delay(_too_many("Too many failed sign-ins.", max(full[key] for key in shown)))
    return Standing(any(counter.id != attempt.address for counter in counters), attempt.account in full)


def _too_many(detail: str, until: datetime) -> TooManyRequests:
    THROTTLED.inc()
    return TooManyRequests(detail, retry_after=max(0, int((until - utc_now()).total_seconds())) + 1)


async def count_failure(attempt: Attempt) -> None:
    """Add one failure to each of the attempt's counters. Raise `TooManyRequests` if concurrent attempts have reached a
    shown limit before this one."""
    counts = {key: await _increment(key) for key in _limits(attempt)}
    full = [counts[key][1] for key in attempt.shown if counts[key][0] > _limits(attempt)[key]]
    if full:
        await reject_with_delay(_too_many("Too many failed sign-ins.", max(full)))


def _limits(attempt: Attempt) -> dict[str, int]:
    settings = AuthSettings.current()
    of_account = dict.fromkeys((attempt.name, attempt.account), settings.login_failures)
    return of_account | {attempt.address: settings.login_failures_per_address}


async def _increment(key: str) -> tuple[int, datetime]:
    """Increment a counter. Return its value and when it expires; after that, the counter starts again at one.

    The count is exact with any number of processes, as each step is one atomic command.
    """
    counters = collection(LoginFailures)
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
            continue  # another process has started the new window
        return 1, expires_at


async def forget_failures(attempt: Attempt) -> None:
    """Reset the account's failures, and those with this name, after the correct password."""
    await LoginFailures.find({"_id": {"$in": [attempt.name, attempt.account]}}).delete()
