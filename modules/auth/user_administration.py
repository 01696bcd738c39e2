"""Administration of accounts by admins."""

import hashlib
import secrets
from datetime import timedelta

from core.clock import utc_now
from core.database import Page, Window
from core.errors import FieldError, InvalidRequest, NotFound
from core.identity import Principal, Role
from core.security import new_secret_key
from modules.auth import account_store, admin_roster, audit, login_throttle, service
from modules.auth.admin_roster import AccountChanged
from modules.auth.audit import Event
from modules.auth.models import User
from modules.auth.schemas import AccountUpdate, ResetCode

CODE_LIFETIME = timedelta(hours=1)


class UserNotFound(NotFound):
    """There is no account with this user name. `GET /users` lists all accounts."""

    title = "User not found"


async def list_(window: Window) -> Page[User]:
    """Return one page of accounts."""
    return window.page(await User.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())


async def get(username: str) -> User:
    """Return the account with this name; raise `UserNotFound`."""
    user = await service.find(username)
    if user is None:
        raise UserNotFound(f"There is no user {username}.")
    return user


async def update(principal: Principal, username: str, data: AccountUpdate) -> User:
    """Change the account with this name; raise `UserNotFound`, and what `update_account` raises."""
    return await update_account(principal, await get(username), data)


async def update_account(principal: Principal, user: User, data: AccountUpdate) -> User:
    """Change an account's role or whether it is active, and replace its key, so that the change takes effect
    immediately. Raise `LastAdmin`, and `AccountChanged` if the account has changed since it was read."""
    role = user.role if data.role is None else data.role
    active = user.active if data.active is None else data.active
    will_be_admin = active and role is Role.ADMIN
    if (role, active) == (user.role, user.active) and not will_be_admin:
        return user
    if user.is_active_admin and not will_be_admin:
        await admin_roster.remove(user)
    changed = await account_store.change(user, {"role": role, "active": active, "secret_key": new_secret_key()})
    if changed is None:
        raise AccountChanged
    if will_be_admin:
        await admin_roster.add(changed)
    if role is not user.role:
        await _record(Event.ROLE_CHANGED, principal, changed, f"{user.role} → {role}")
    if active != user.active:
        await _record(Event.ACTIVATED if active else Event.DEACTIVATED, principal, changed)
    return changed


async def delete(principal: Principal, username: str) -> None:
    """Delete an account; raise `UserNotFound`, `LastAdmin` and `AccountChanged`."""
    user = await get(username)
    if not await admin_roster.delete(user):
        raise AccountChanged
    await _record(Event.DELETED, principal, user)


async def start_reset(principal: Principal, username: str) -> ResetCode:
    """Return a one-time code with which the user can set a new password, and store its hash. Raise `UserNotFound` and
    `AccountChanged`."""
    user, code, expires_at = await get(username), secrets.token_urlsafe(32), utc_now() + CODE_LIFETIME
    if await account_store.change(user, {"reset_hash": _hash(code), "reset_expires_at": expires_at}) is None:
        raise AccountChanged
    await _record(Event.RESET_STARTED, principal, user)
    return ResetCode(code=code, expires_at=expires_at)


async def finish_reset(code: str, password: str) -> None:
    """Set a new password with a one-time code.

    Raise `InvalidRequest` for a code that is wrong, used, replaced by a newer code, expired, or revoked by a change of
    the account's key, and for a weak password, in which case the code remains valid. Raise `TooManyRequests` after too
    many attempts.
    """
    await login_throttle.count_attempt()
    pending = {"reset_hash": _hash(code)}
    user = await User.find_one({**pending, "reset_expires_at": {"$gt": utc_now()}})
    if user is None or await service.set_password(user, password, given=pending) is None:
        detail = "This code is wrong, used, revoked or expired. Ask an admin for a new one."
        raise InvalidRequest(errors=[FieldError(code="reset_code", detail=detail, pointer="#/code")])
    await audit.record(Event.RESET_FINISHED, who=None, whom=user.username)


def _hash(code: str) -> str:
    # A fast hash is sufficient: a code has 256 random bits, too many to guess.
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()


async def _record(event: Event, principal: Principal, user: User, detail: str | None = None) -> None:
    await audit.record(event, who=principal.username, whom=user.username, detail=detail)
