"""Changing and deleting accounts: never over a concurrent change of the key, and never without removing the account's
tokens from the cache."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from core.api import change_if, delete_if
from modules.auth.models import User
from modules.auth.token_cache import verified_tokens


async def change(
    user: User, changes: Mapping[str, object], *, given: Mapping[str, object] | None = None
) -> User | None:
    """Change the stored account atomically if its key is unchanged since it was read, and its fields are as `given`.
    Return None otherwise: after a sign-out everywhere, a change of the password or the role, or a deletion. A new key
    removes a pending one-time code."""
    update: dict[str, object] = {"$set": changes}
    if "secret_key" in changes:
        update |= {"$inc": {"key_version": 1}, "$unset": dict.fromkeys(("reset_hash", "reset_expires_at"), "")}
    with _evicting(user):
        return await change_if(User, _as_read(user) | dict(given or {}), update)


async def delete(user: User) -> bool:
    """Delete the stored account if its key is unchanged since it was read; return whether it was deleted."""
    with _evicting(user):
        return await delete_if(User, _as_read(user))


@contextmanager
def _evicting(user: User) -> Iterator[None]:
    """Remove the account's tokens from the cache at the end, also after an error, when it is unknown whether the
    change was made."""
    assert user.id, "only a stored account is changed"
    try:
        yield
    finally:
        verified_tokens.evict(user.id)


def _as_read(user: User) -> dict[str, object]:
    # The filter contains the key's version, not the key, as the database logs the filters of failed commands.
    return {"_id": user.id, "key_version": user.key_version}
