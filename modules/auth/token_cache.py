"""A cache of verified tokens, so that most requests need not query the database for the key of the caller.

An entry is used for `AUTH_CACHE_SECONDS` at most, never after the token has expired, and never after the account has
changed: at once where this process changes it, and as soon as a change stream reports it where another process does.
The cache authorizes reads. It authorizes writes only while the change stream is open (`watched`), and operations on
accounts never.
"""

import time
from dataclasses import dataclass
from hashlib import blake2b

from bson import ObjectId

from core.identity import Principal

MAX_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class Verified:
    """Who sent a token, until when it is good (seconds since 1970), and until when that is believed (on the clock of
    `time.monotonic`)."""

    principal: Principal
    user: ObjectId
    expires: float
    believed_until: float


class VerifiedTokens:
    """At most `MAX_TOKENS` of them, the oldest of which make room, and go when they are believed no more. Kept by their
    hash: a token is a secret."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, Verified] = {}
        self._of_user: dict[ObjectId, set[bytes]] = {}
        self.changes = 0
        """How often something was forgotten: what was verified before that is not kept after it."""
        self.watched = False
        """Whether a change stream reports the changes that other processes make to accounts."""

    def find(self, token: str) -> Principal | None:
        """Who sent this token, if that is still believed."""
        key = _hash(token)
        found = self._tokens.get(key)
        if found is None:
            return None
        if time.time() < found.expires and time.monotonic() < found.believed_until:
            return found.principal
        self._drop(key)
        return None

    def holds(self, user: ObjectId, key_version: int) -> bool:
        """Whether a token of this user that the key of this version has signed is cached, while other processes'
        changes are reported. Then the account has not changed since that token was verified."""
        if not self.watched:
            return False
        now = time.monotonic()
        cached = map(self._tokens.__getitem__, self._of_user.get(user, ()))
        return any(one.believed_until > now and one.principal.key_version == key_version for one in cached)

    def keep(self, token: str, found: Verified, changes: int) -> None:
        """Believe a token for a while, unless something was forgotten since `changes` was read: whoever reads that,
        then an account, and then comes here cannot bring back what the account was before it was changed."""
        if changes != self.changes:
            return
        while self._tokens and (len(self._tokens) >= MAX_TOKENS or self._oldest.believed_until < time.monotonic()):
            self._drop(next(iter(self._tokens)))
        key = _hash(token)
        self._tokens[key] = found
        self._of_user.setdefault(found.user, set()).add(key)

    def forget(self, user: ObjectId) -> None:
        """Believe no token of this user any more."""
        self.changes += 1
        for key in self._of_user.pop(user, ()):
            del self._tokens[key]

    def forget_all(self) -> None:
        """Believe no token any more."""
        self.changes += 1
        self._tokens.clear()
        self._of_user.clear()

    @property
    def _oldest(self) -> Verified:
        return next(iter(self._tokens.values()))

    def _drop(self, key: bytes) -> None:
        user = self._tokens.pop(key).user
        theirs = self._of_user[user]
        theirs.discard(key)
        if not theirs:
            del self._of_user[user]


def _hash(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16).digest()


verified_tokens = VerifiedTokens()
