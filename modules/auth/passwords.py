"""Hashing passwords without holding up anyone else: in threads of its own, with a bounded queue."""

import asyncio
import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, TypeVar

from core.errors import FieldError, InvalidRequest, Unavailable
from core.security import hash_password, is_hashable, verify_password
from modules.auth.metrics import PASSWORDS_RUNNING, PASSWORDS_WAITING
from modules.auth.settings import AuthSettings

A = TypeVar("A")
T = TypeVar("T")

# bcrypt frees the interpreter's lock: with a core left over for the event loop, a login storm delays no read.
_THREADS = max(1, (os.cpu_count() or 1) - 1)

# 40 for each thread: the last of them waits ten seconds or more.
_places = BoundedSemaphore(_THREADS * 40)
_pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")


async def hash_of(password: str) -> str:
    """The hash to store for a password; raises `Unavailable` when too many are waiting."""
    return await _in_pool(hash_password, password, AuthSettings.current().bcrypt_cost)


async def refuse_weak(password: str, pointer: str, *known: str) -> None:
    """Raise `InvalidRequest` at `pointer` when a password is easily guessed, above all from the `known` words."""
    least = AuthSettings.current().password_min_score
    # In a thread, for it may take as long as ten database queries.
    found = await _in_pool(_estimate, password, known)
    if found["score"] < least:
        hints = " ".join([found["feedback"]["warning"] or "", *found["feedback"]["suggestions"]]).strip()
        detail = f"This password is too easy to guess. {hints}".strip()
        raise InvalidRequest(errors=[FieldError(detail=detail, pointer=pointer)])


def _estimate(password: str, known: tuple[str, ...]) -> Any:
    from zxcvbn import zxcvbn  # noqa: PLC0415 (13 MB of word lists, which most processes never need)

    words = [word for text in known for word in (text, *re.split(r"[^0-9A-Za-z]+", text)) if word]
    return zxcvbn(password, user_inputs=words)


def needs_renewal(hashed: str) -> bool:
    """Whether a hash was made at a lower cost than passwords get now."""
    return int(hashed.split("$")[2]) < AuthSettings.current().bcrypt_cost


async def matches(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one behind `hashed`; raises `Unavailable` when too many are waiting.

    Takes as long, and says no, when there is no hash, or when no stored password can be like this one: an answer's
    time must not tell whether an account exists.
    """
    if hashed is None or not is_hashable(password):
        await _in_pool(verify_password, "", _decoy(AuthSettings.current().bcrypt_cost))
        return False
    return await _in_pool(verify_password, password, hashed)


def _decoy(cost: int) -> str:
    """A well-formed hash that no password is known for: salt and digest are all zero."""
    return f"$2b${cost:02}${'.' * 53}"


async def _in_pool(work: Callable[[str, A], T], password: str, argument: A) -> T:
    if not _places.acquire(blocking=False):
        raise Unavailable("Too many people are signing in just now.", retry_after=5)
    PASSWORDS_WAITING.inc()
    job = _pool.submit(_counted, work, password, argument)
    # On the job, not on the waiting request: a client that leaves frees no thread.
    job.add_done_callback(_over)
    return await asyncio.wrap_future(job)


def _counted(work: Callable[[str, A], T], password: str, argument: A) -> T:
    PASSWORDS_WAITING.dec()
    with PASSWORDS_RUNNING.track_inprogress():
        return work(password, argument)


def _over(job: Future[Any]) -> None:
    if job.cancelled():  # before its turn
        PASSWORDS_WAITING.dec()
    _places.release()
