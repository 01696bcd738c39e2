"""Counts of failed sign-ins, kept in the database so that all processes share them.

Counted are pairs of user and address, and addresses: a stranger who guesses at a user's password from somewhere else
does not lock the user out.
"""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address

from pymongo.errors import DuplicateKeyError

from core.caller import current_caller
from core.clock import utc_now
from core.errors import TooManyRequests
from modules.auth.metrics import THROTTLED
from modules.auth.models import LoginFailures
from modules.auth.settings import AuthSettings


@dataclass(frozen=True, slots=True)
class Attempt:
    """The counters that one try to sign in belongs to: keys in `login_failures`."""

    account: str
    address: str


def attempt_of(username: str) -> Attempt:
    """The counters of a try that the current caller makes at this name."""
    address = _counted(current_caller().address)
    return Attempt(account=_key("account", username.lower(), address), address=_key("address", address))


def _key(*parts: str) -> str:
    # Hashed, because what people type where a name belongs is sometimes their password.
    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=18).hexdigest()


def _counted(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, since whoever has one address has all of those."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(parsed) >> 64 << 64)) if isinstance(parsed, IPv6Address) else address


async def refuse_if_blocked(attempt: Attempt) -> None:
    """Raise `TooManyRequests` when one of the attempt's counters is at its limit."""
    settings = AuthSettings.current()
    limits = {attempt.account: settings.login_failures, attempt.address: settings.login_failures_per_address}
    now = utc_now()
    counters = await LoginFailures.find({"_id": {"$in": list(limits)}, "expires_at": {"$gt": now}}).to_list()
    full = [counter.expires_at for counter in counters if counter.failures >= limits[counter.id]]
    if full:
        THROTTLED.inc()
        seconds = int((max(full) - now).total_seconds()) + 1
        raise TooManyRequests("Too many failed tries to sign in.", retry_after=seconds)


async def count_failure(attempt: Attempt) -> None:
    """Add one failure to each of the attempt's counters."""
    await _increment(attempt.account)
    await _increment(attempt.address)


async def _increment(key: str) -> None:
    """A counter begins anew when its window has passed. Exact among any number of processes: each step is one
    atomic command."""
    counters = LoginFailures.get_motor_collection()
    now = utc_now()
    while True:
        running = {"_id": key, "expires_at": {"$gt": now}}
        if (await counters.update_one(running, {"$inc": {"failures": 1}})).matched_count:
            return
        over = {"_id": key, "expires_at": {"$lte": now}}
        anew = {"failures": 1, "expires_at": now + timedelta(minutes=AuthSettings.current().login_window_minutes)}
        try:
            await counters.update_one(over, {"$set": anew}, upsert=True)
        except DuplicateKeyError:
            continue  # another process has begun the window meanwhile
        return


async def forget_failures(attempt: Attempt) -> None:
    """The user has given the right password: what was mistyped before does not count any more."""
    await LoginFailures.find({"_id": attempt.account}).delete()
