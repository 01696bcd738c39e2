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
class Verified:
    """A cache entry: the user of a token, when the token expires (seconds since 1970), and when the entry expires (on
    the clock of `time.monotonic`)."""

    principal: Principal
    user: ObjectId
    expires: float
    believed_until: float


class VerifiedTokens:
    """A cache of at most `MAX_TOKENS` entries; the oldest entry is evicted first, and expired ones are removed. Its
    keys are hashes of the tokens, as tokens are secret."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, Verified] = {}
        self._of_user: dict[ObjectId, set[bytes]] = {}
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
        if time.time() < found.expires and time.monotonic() < found.believed_until:
            return found.principal
        self._drop(key)
        return None

    def holds(self, user: ObjectId, key_version: int) -> bool:
        """Return whether a valid entry exists for a token of this user and this key version, while changes by other
        processes are reported. Then the account has not changed since that token was verified."""
        if not self.watched:
            return False
        now = time.monotonic()
        cached = map(self._tokens.__getitem__, self._of_user.get(user, ()))
        return any(entry.believed_until > now and entry.principal.key_version == key_version for entry in cached)

    def keep(self, token: str, found: Verified, changes: int) -> None:
        """Cache a verified token, unless an invalidation happened since `changes` was read. Callers read `changes`
        before the account, so that the state of an account from before a change is never cached after it."""
        if changes != self.changes:
            return
        while self._tokens and (len(self._tokens) >= MAX_TOKENS or self._oldest.believed_until < time.monotonic()):
            self._drop(next(iter(self._tokens)))
        key = _hash(token)
        self._tokens[key] = found
        self._of_user.setdefault(found.user, set()).add(key)

    def forget(self, user: ObjectId) -> None:
        """Remove all tokens of this user."""
        self.changes += 1
        for key in self._of_user.pop(user, ()):
            del self._tokens[key]

    def forget_all(self) -> None:
        """Remove all tokens."""
        self.changes += 1
        self._tokens.clear()
        self._of_user.clear()

    @property
    def _oldest(self) -> Verified:
        return next(iter(self._tokens.values()))

    def _drop(self, key: bytes) -> None:
        user = self._tokens.pop(key).user
        tokens = self._of_user[user]
        tokens.discard(key)
        if not tokens:
            del self._of_user[user]


def _hash(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16).digest()


verified_tokens = VerifiedTokens()
