"""The roster of active admins, which ensures that the last active admin cannot be removed.

The roster is a single document. Removing a member requires another member, so if two admins are removed at the same
moment, the second removal fails. An account is removed from the roster before it stops being an admin, and added after
it has become one: if the process stops in between, the roster lists too few admins rather than too many, and at least
one admin remains.
"""

from typing import Any

from core.database import collection
from core.errors import Conflict
from core.identity import Role
from modules.auth import account_store, usernames
from modules.auth.models import AdminRoster, User


class LastAdmin(Conflict):
    """The account is the last active admin and cannot be deleted, demoted or deactivated. Give another account the role
    admin first."""

    title = "Last admin"


class AccountChanged(Conflict):
    """The account was changed by another request at the same time. Read the account again, then decide whether to
    repeat the change."""

    title = "Account changed concurrently"


async def add(user: User) -> None:
    """Add an account that has become an admin to the roster."""
    await _update_if({}, {"$addToSet": {"members": user.id}}, upsert=True)


async def remove(user: User) -> None:
    """Remove an account that is about to stop being an admin from the roster; raise `LastAdmin`."""
    await _remove_former_admins()
    if not await _update_if({"members": {"$elemMatch": {"$ne": user.id}}}, {"$pull": {"members": user.id}}):
        raise LastAdmin


async def delete(user: User) -> bool:
    """Delete an account and retire its name; return False if the account has changed since it was read. Raise
    `LastAdmin` if no other active admin would remain."""
    if user.is_active_admin:
        await remove(user)
    await usernames.retire(user.username)
    return await account_store.delete(user)


async def _remove_former_admins() -> None:
    """Remove accounts that are no longer active admins: an account may lose that role while it is being added."""
    roster = await AdminRoster.get("admins")
    admins = {user.id for user in await User.find({"role": Role.ADMIN, "active": True}).to_list()}
    if former := set(roster.members if roster else ()) - admins:
        await _update_if({}, {"$pull": {"members": {"$in": list(former)}}})


async def _update_if(condition: dict[str, Any], change: dict[str, Any], *, upsert: bool = False) -> bool:
    """Update the roster atomically if it meets the condition; return whether it did."""
    result = await collection(AdminRoster).update_one({"_id": "admins", **condition}, change, upsert=upsert)
    return bool(result.matched_count)
