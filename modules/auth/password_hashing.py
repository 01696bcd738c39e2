"""Hashing and comparing passwords without holding up anyone else: in threads of their own, with a bounded queue."""

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from core.errors import FieldError, InvalidRequest, TooManyRequests, Unavailable
from core.middleware import current_request
from core.security import hash_password, is_hashable, verify_password
from core.settings import current_settings
from modules.auth.hashing_queue import HashingQueue, Share
from modules.auth.login_throttle import counted_address
from modules.auth.password_strength import estimate
from modules.auth.refusals import refuse
from modules.auth.settings import AuthSettings

T = TypeVar("T")

# bcrypt frees the interpreter's lock: with a core left over for the event loop, a login storm delays no read.
_THREADS = max(1, (os.cpu_count() or 1) - 1)

# Of which one address may use a third: a hundred teachers behind one address can sign in at the same moment.
_PLACES = 300

_queue = HashingQueue(_THREADS)


async def hash_of(password: str) -> str:
    """Return the hash to store for a password that was checked before. Raise what `matches` raises."""
    return await _run(partial(hash_password, password, AuthSettings.current().bcrypt_cost))


async def hash_new(password: str, pointer: str, *known: str, registering: bool = False) -> str:
    """Return the hash to store for a new password. Raise `InvalidRequest` at `pointer` for one that is easily guessed,
    above all from the `known` texts, and what `matches` raises. `registering` is for accounts that strangers make."""
    settings = AuthSettings.current()

    def work() -> str:
        _check_strength(password, pointer, known, settings.password_min_score)
        return hash_password(password, settings.bcrypt_cost)

    return await _run(work, registering=registering)


def _check_strength(password: str, pointer: str, known: tuple[str, ...], least: int) -> None:
    found = estimate(password, known)
    if found["score"] < least:
        hints = " ".join([found["feedback"]["warning"] or "", *found["feedback"]["suggestions"]]).strip()
        detail = f"This password is too easy to guess. {hints}".strip()
        raise InvalidRequest(errors=[FieldError(detail=detail, pointer=pointer)])


def needs_renewal(hashed: str) -> bool:
    """Return whether a hash was made at a lower cost than passwords get now."""
    return _cost_of(hashed) < AuthSettings.current().bcrypt_cost


async def matches(password: str, hashed: str | None) -> bool:
    """Return whether `password` is the one behind `hashed`. Raise `TooManyRequests` when too many from the caller's
    address are waiting, and `Unavailable` when too many are from all addresses.

    Takes as long, and says no, when there is no hash, or when no stored password can be like this one: an answer's
    time must not tell whether an account exists.
    """
    if hashed is None or not is_hashable(password):
        await _run(partial(verify_password, "", _decoy(AuthSettings.current().bcrypt_cost)))
        return False
    return await _run(partial(_compare, password, hashed, AuthSettings.current().bcrypt_cost))


def _compare(password: str, hashed: str, cost: int) -> bool:
    """Return whether the password is right. A wrong one takes as long as at `cost`, also where the hash was made at a
    lower one: the work doubles with each step, so one comparison at each step makes up for the rest."""
    if verify_password(password, hashed):
        return True
    for step in range(_cost_of(hashed), cost):
        verify_password("", _decoy(step))
    return False


def _cost_of(hashed: str) -> int:
    return int(hashed.split("$")[2])


def _decoy(cost: int) -> str:
    """A well-formed hash that no password is known for: salt and digest are all zero."""
    return f"$2b${cost:02}${'.' * 53}"


async def _run(work: Callable[[], T], *, registering: bool = False) -> T:
    # Whoever waits here is a request that the process works on: leave half of those to everything else.
    places = max(3, min(_PLACES, current_settings().max_concurrent_requests // 2))
    address = counted_address(current_request().address)
    if registering:
        # One turn for all who register, or registering from many addresses would crowd out those who sign in.
        most = max(1, places // 5)
        share = Share("registering", most, f"registering {address}", max(1, most // 3))
    else:
        share = Share(address, places, address, places // 3)
    try:
        return await _queue.run(work, share, places)
    except (TooManyRequests, Unavailable) as refusal:
        await refuse(refusal)
