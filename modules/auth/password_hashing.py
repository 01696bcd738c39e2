"""Password hashing and comparison in separate threads with a bounded queue, so that other requests are not delayed."""

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from core.errors import FieldError, InvalidRequest, TooManyRequests, Unavailable
from core.middleware import current_request
from core.security import hash_password, is_hashable, verify_password
from core.settings import current_settings
from modules.auth.delayed_rejection import reject_with_delay
from modules.auth.hashing_queue import FlowLimits, HashingQueue
from modules.auth.login_throttle import counted_address
from modules.auth.password_strength import estimate
from modules.auth.settings import AuthSettings

T = TypeVar("T")

# bcrypt releases the interpreter's lock. One core remains for the event loop, so that many sign-ins delay no reads.
_THREADS = max(1, (os.cpu_count() or 1) - 1)

# One address may use two fifths of the queue: a hundred teachers behind one address can sign in at the same moment.
_MAX_CAPACITY = 250

_queue = HashingQueue(_THREADS)


async def hash_of(password: str) -> str:
    """Return the hash of a password that has been validated. Raise what `matches` raises."""
    return await _run(partial(hash_password, password, AuthSettings.current().bcrypt_cost))


async def hash_new(password: str, pointer: str, *known: str, registering: bool = False) -> str:
    """Return the hash of a new password. Raise `InvalidRequest` at `pointer` if the password is easy to guess, in
    particular from the `known` texts, and raise what `matches` raises. `registering` is for public registration."""
    settings = AuthSettings.current()

    def work() -> str:
        _check_strength(password, pointer, known, settings.password_min_score)
        return hash_password(password, settings.bcrypt_cost)

    return await _run(work, registering=registering)


def _check_strength(password: str, pointer: str, known: tuple[str, ...], least: int) -> None:
    if estimate(password, known)["score"] < least:
        detail = (
            "This password is too easy to guess. Use several uncommon words, without your name, dates, repetitions and "
            "neighbouring keys."
        )
        raise InvalidRequest(errors=[FieldError(code="password_weak", detail=detail, pointer=pointer)])


def needs_renewal(hashed: str) -> bool:
    """Return whether a hash has a lower cost than the one that is configured now."""
    return _cost_of(hashed) < AuthSettings.current().bcrypt_cost


async def matches(password: str, hashed: str | None) -> bool:
    """Return whether `password` matches `hashed`. Raise `TooManyRequests` if too many jobs of the caller's address are
    waiting, and `Unavailable` if too many of all addresses are.

    Return False after the same time if there is no hash, or if the password can never have been stored: the response
    time must not reveal whether an account exists.
    """
    if hashed is None or not is_hashable(password):
        await _run(partial(verify_password, "", _dummy_hash(AuthSettings.current().bcrypt_cost)))
        return False
    return await _run(partial(_compare, password, hashed, AuthSettings.current().bcrypt_cost))


def _compare(password: str, hashed: str, cost: int) -> bool:
    """Return whether the password is correct. A wrong password takes as long as at `cost`, even if the hash has a lower
    cost: the work doubles with each step, so one further comparison at each step makes up the difference."""
    if verify_password(password, hashed):
        return True
    for step in range(_cost_of(hashed), cost):
        verify_password("", _dummy_hash(step))
    return False


def _cost_of(hashed: str) -> int:
    return int(hashed.split("$")[2])


def _dummy_hash(cost: int) -> str:
    """Return a well-formed hash of no known password: its salt and digest are all zero."""
    return f"$2b${cost:02}${'.' * 53}"


async def _run(work: Callable[[], T], *, registering: bool = False) -> T:
    # Each waiting job is one of the process's concurrent requests: reserve half of those for other requests.
    capacity = max(3, min(_MAX_CAPACITY, current_settings().max_concurrent_requests // 2))
    address = counted_address(current_request().address)
    if registering:
        # All registrations share one flow, or registrations from many addresses would delay sign-ins.
        max_registrations = max(1, capacity // 5)
        limits = FlowLimits("registering", max_registrations, f"registering {address}", max(1, max_registrations // 3))
    else:
        limits = FlowLimits(address, capacity, address, capacity * 2 // 5)
    try:
        return await _queue.run(work, limits, capacity)
    except (TooManyRequests, Unavailable) as rejection:
        await reject_with_delay(rejection)
