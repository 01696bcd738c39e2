"""A cache of verified tokens, so that most requests do not query the database for the caller's key.

An entry is used for at most `AUTH_CACHE_SECONDS`, never after the token has expired, and never after the account has
changed: changes by this process take effect immediately, changes by other processes as soon as a change stream reports
them. The cache authorizes reads. It authorizes writes only while the change stream is open (`watched`), and never
operations on accounts.
"""

import time
from dataclasses import dataclass
from hashlib import blake2b

from bson import ObjectId

from core.identity import Principal

MAX_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A cache entry: the user of a token, when the token expires (seconds since 1970), and when the entry expires (on
    the clock of `time.monotonic`)."""

    principal: Principal
    user: ObjectId
    expires: float
    cached_until: float


class VerifiedTokens:
    """A cache of at most `MAX_TOKENS` entries; the oldest entry is evicted first, and expired ones are removed. Its
    keys are hashes of the tokens, as tokens are secret."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, VerifiedToken] = {}
        self._keys_by_user: dict[ObjectId, set[bytes]] = {}
        self.changes = 0
        """The number of invalidations. A token that was verified before an invalidation is not cached after it."""
        self.watched = False
        """Whether a change stream reports changes to accounts by other processes."""

    def find(self, token: str) -> Principal | None:
        """Return the user of a token, or None if there is no valid entry."""
        key = _hash(token)
        found = self._tokens.get(key)
        if found is None:
            return None
        if time.time() < found.expires and time.monotonic() < found.cached_until:
            return found.principal
        self._remove(key)
        return None

    def holds(self, user: ObjectId, key_version: int) -> bool:
        """Return whether a valid entry exists for a token of this user and this key version, while changes by other
        processes are reported. Then the account has not changed since that token was verified."""
        if not self.watched:
            return False
        now = time.monotonic()
        cached = map(self._tokens.__getitem__, self._keys_by_user.get(user, ()))
        return any(entry.cached_until > now and entry.principal.key_version == key_version for entry in cached)

    def add(self, token: str, found: VerifiedToken, changes: int) -> None:
        """Cache a verified token, unless an invalidation happened since `changes` was read. Callers read `changes`
        before the account, so that the state of an account from before a change is never cached after it."""
        if changes != self.changes:
            return
        while self._tokens and (len(self._tokens) >= MAX_TOKENS or self._oldest.cached_until < time.monotonic()):
            self._remove(next(iter(self._tokens)))
        key = _hash(token)
        self._tokens[key] = found
        self._keys_by_user.setdefault(found.user, set()).add(key)

    def evict(self, user: ObjectId) -> None:
        """Remove all tokens of this user."""
        self.changes += 1
        for key in self._keys_by_user.pop(user, ()):
            del self._tokens[key]

    def clear(self) -> None:
        """Remove all tokens."""
        self.changes += 1
        self._tokens.clear()
        self._keys_by_user.clear()

    @property
    def _oldest(self) -> VerifiedToken:
        return next(iter(self._tokens.values()))

    def _remove(self, key: bytes) -> None:
        user = self._tokens.pop(key).user
        tokens = self._keys_by_user[user]
        tokens.discard(key)
        if not tokens:
            del self._keys_by_user[user]


def _hash(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16).digest()


verified_tokens = VerifiedTokens()
