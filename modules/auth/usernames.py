"""The names of deleted accounts, which are never given again.

History, imports, idempotency keys and the audit name users. If a name could pass to another account, they would speak
of somebody else. Of a deleted account's name, only a keyed hash is stored. Its key is random and stored as well, not
derived from `TOKEN_PEPPER`: another pepper must not free every name.
"""

import hashlib
import hmac
import secrets
from contextlib import suppress

from pymongo.errors import DuplicateKeyError

from modules.auth.audit import Event
from modules.auth.models import AuthEvent, RetiredUsername, UsernameHashKey


async def retire(username: str) -> None:
    """Record that no other account may have this name. Call it before the account is removed: if the process stops in
    between, the account is still there and can be deleted again."""
    with suppress(DuplicateKeyError):
        await RetiredUsername(id=await _hash(username)).insert()


async def is_retired(username: str) -> bool:
    """Return whether an account with this name, in any case, has been deleted."""
    if await RetiredUsername.get(await _hash(username)):
        return True
    # Older releases recorded a deletion in the audit alone.
    return await AuthEvent.find({"whom": username.lower(), "event": Event.DELETED}).exists()


async def _hash(username: str) -> str:
    return hmac.new(await _key(), username.lower().encode(), hashlib.sha256).hexdigest()


async def _key() -> bytes:
    """Return the stored key, made at the first use. It is read each time, so that all processes use the same one."""
    stored = await UsernameHashKey.get("usernames")
    if stored is None:
        with suppress(DuplicateKeyError):  # another process has made it at the same moment
            await UsernameHashKey(key=secrets.token_hex(32)).insert()
        stored = await UsernameHashKey.get("usernames")
        assert stored, "the key has just been stored"
    return bytes.fromhex(stored.key)
