"""Estimation of how easy a password is to guess, in bounded time."""

import re
from collections.abc import Iterable
from itertools import islice
from threading import Lock
from typing import Any

MAX_CHARACTERS = 32
MAX_WORDS = 12
MAX_COST = 16_000

# zxcvbn stores the `user_inputs` in a global dictionary.
_lock = Lock()


def estimate(password: str, known: Iterable[str]) -> Any:
    """Return zxcvbn's result for a password, with its `score` from 0 to 4. The `known` texts and their words count as
    easy to guess. Takes at most about 20 ms, during which it holds the interpreter's lock: call it in a thread."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 (13 MB of word lists, which most processes never need)

    with _lock:
        return zxcvbn(scored_prefix(password), user_inputs=words_of(known))


def scored_prefix(password: str) -> str:
    """Return the longest prefix that is cheap to score: at least 8 and at most 32 characters, and fewer if they are
    signs that can stand for many letters.

    zxcvbn looks up each part of a password in each combination of such substitutions: for `4@8({[<3690#!1/|0$5+7%2`,
    repeated three times, this would take seconds.
    """
    lengths = range(1, min(len(password), MAX_CHARACTERS) + 1)
    return max((password[:n] for n in lengths if cost(password[:n]) <= MAX_COST), key=len, default="")


def cost(password: str) -> int:
    """Return an upper bound on the work of scoring a password: twice the number of lookups in each dictionary."""
    return len(password) ** 2 * (2 + _substitutions(password))


def _substitutions(password: str) -> int:
    """Return an upper bound on the number of ways to read the signs in a password as letters."""
    from zxcvbn.matching import L33T_TABLE  # noqa: PLC0415 (as above)

    ways, seen = 1, set[str]()
    for signs in L33T_TABLE.values():
        found = {sign for sign in signs if sign in password}
        # A sign that can also stand for another letter is tried both ways.
        ways *= len(found) + len(found & seen) or 1
        seen |= found
    return ways


def words_of(known: Iterable[str]) -> list[str]:
    """Return the texts and the words in them, without repetition: at most 12, each of 3 to 32 characters."""
    texts = list(known)
    words = (*texts, *(word for text in texts for word in re.split(r"[^0-9A-Za-z]+", text)))
    usable = dict.fromkeys(word for word in words if 3 <= len(word) <= MAX_CHARACTERS)
    return list(islice(usable, MAX_WORDS))
