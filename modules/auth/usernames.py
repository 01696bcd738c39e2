"""Retired user names: the names of deleted accounts, which cannot be registered again.

The history, imports, idempotency keys and the audit log refer to users by name. If a name could be reused, these
records would refer to a different person. Only a keyed hash of a deleted account's name is stored. The key is random
and also stored, not derived from `TOKEN_PEPPER`, as a new pepper must not make every retired name available.
"""

import hashlib
import hmac
import secrets
from contextlib import suppress

from pymongo.errors import DuplicateKeyError

from modules.auth.audit import Event
from modules.auth.models import AuthEvent, RetiredUsername, UsernameHashKey


async def retire(username: str) -> None:
    """Retire the name of an account. Call this before the account is removed: if the process stops in between, the
    account still exists and can be deleted again."""
    with suppress(DuplicateKeyError):
        await RetiredUsername(id=await _hash(username)).insert()


async def is_retired(username: str) -> bool:
    """Return whether an account with this name, ignoring case, has been deleted."""
    if await RetiredUsername.get(await _hash(username)):
        return True
    # Older releases recorded deletions only in the audit log.
    return await AuthEvent.find({"whom": username.lower(), "event": Event.DELETED}).exists()


async def _hash(username: str) -> str:
    return hmac.new(await _key(), username.lower().encode(), hashlib.sha256).hexdigest()


async def _key() -> bytes:
    """Return the stored key, which is created at first use. It is read each time, so that all processes use the same
    key."""
    stored = await UsernameHashKey.get("usernames")
    if stored is None:
        with suppress(DuplicateKeyError):  # another process has created it at the same time
            await UsernameHashKey(key=secrets.token_hex(32)).insert()
        stored = await UsernameHashKey.get("usernames")
        assert stored, "the key has just been stored"
    return bytes.fromhex(stored.key)
