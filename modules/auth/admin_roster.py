"""The active admins: once there has been one, there always is one who can manage accounts.

They are listed in one document, the roster. Leaving it needs another member in it, so that of two who leave at the
same moment the second finds itself alone. An account leaves the roster before it stops being an admin and enters after
it has become one: whatever is cut short in between, too few are listed rather than too many, and an admin is kept.
"""

from typing import Any

from core.errors import Conflict
from core.identity import Role
from modules.auth import usernames
from modules.auth.models import AdminRoster, User


class LastAdmin(Conflict):
    """This is the last active admin, who can be neither removed nor demoted. Make another account an admin's first."""

    title = "Last admin"


class AccountChanged(Conflict):
    """The account was changed by someone else at the same moment. Look at it again, and decide anew."""

    title = "Account changed meanwhile"


async def enter(user: User) -> None:
    """List an account that has become an admin."""
    await _step({}, {"$addToSet": {"members": user.id}}, upsert=True)


async def withdraw(user: User) -> None:
    """Take an account that is going to stop being an admin off the list; raises `LastAdmin`."""
    await _drop_former_admins()
    if not await _step({"members": {"$elemMatch": {"$ne": user.id}}}, {"$pull": {"members": user.id}}):
        raise LastAdmin


async def delete(user: User) -> bool:
    """Delete an account and retire its name; return False if the account has changed since it was read. Raise
    `LastAdmin`."""
    if user.is_active_admin:
        await withdraw(user)
    await usernames.retire(user.username)
    return await user.remove()


async def _drop_former_admins() -> None:
    """An account that lost its rights while it was entering may have stayed on the list."""
    roster = await AdminRoster.get("admins")
    admins = {user.id for user in await User.find({"role": Role.ADMIN, "active": True}).to_list()}
    if former := set(roster.members if roster else ()) - admins:
        await _step({}, {"$pull": {"members": {"$in": list(former)}}})


async def _step(condition: dict[str, Any], change: dict[str, Any], *, upsert: bool = False) -> bool:
    """One atomic step on the roster; whether it met the condition."""
    collection = AdminRoster.get_motor_collection()
    result = await collection.update_one({"_id": "admins", **condition}, change, upsert=upsert)
    return bool(result.matched_count)
