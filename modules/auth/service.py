"""What people do with their own accounts: register, sign in, change things, leave."""

from collections.abc import Mapping
from contextlib import suppress

from bson import ObjectId
from pydantic import SecretStr
from pymongo.errors import DuplicateKeyError

from core.database import duplicate_field
from core.errors import Conflict, FieldError, InvalidRequest, Problem, TooManyRequests, Unauthenticated, Unavailable
from core.identity import Principal, Role
from core.security import new_secret_key
from modules.auth import admin_roster, audit, login_throttle, password_hashing, tokens, usernames
from modules.auth.audit import Event
from modules.auth.metrics import WRONG_PASSWORD
from modules.auth.models import User
from modules.auth.schemas import AccountDeletion, EmailChange, PasswordChange, Token, UserCreate, is_username
from modules.auth.settings import AuthSettings


class UsernameTaken(Conflict):
    """Another account has this user name, perhaps in another case. Choose another one, or sign in if it is yours."""

    title = "User name taken"


class EmailTaken(Conflict):
    """Another account has this e-mail address, perhaps in another case. Give another one, or sign in if it is yours."""

    title = "E-mail address taken"


class RegistrationClosed(Problem):
    """Accounts are made by admins here: registration is closed. Ask whoever runs the service for an account."""

    status = 403
    title = "Registration closed"


class WrongCredentials(Unauthenticated):
    """There is no account with this user name and password; which of the two is wrong is not told. Check both. If you
    have forgotten the password, an admin can make a code for `POST /password-reset`."""

    title = "Wrong user name or password"


async def register(data: UserCreate) -> User:
    """Make an account with the default role. Raise `RegistrationClosed`, `TooManyRequests` after too many tries from
    the caller's address, and what `create` raises."""
    settings = AuthSettings.current()
    if settings.registration == "closed":
        raise RegistrationClosed
    await login_throttle.count_registration()
    user = await create(data, Role(settings.default_role), registering=True)
    await audit.record(Event.REGISTERED, who=user.username, whom=user.username)
    return user


async def create(data: UserCreate, role: Role, *, registering: bool = False) -> User:
    """Store an account with a signing key of its own. Raise `UsernameTaken` also for the name of a deleted account,
    `EmailTaken`, and `InvalidRequest` for a password that is easy to guess. `registering` is for accounts that
    strangers make."""
    await _refuse_taken(data)
    password = data.password.get_secret_value()
    hashed = await password_hashing.hash_new(password, "#/password", data.username, data.email, registering=registering)
    user = User(
        username=data.username,
        username_key=data.username.lower(),
        email=data.email,
        email_key=data.email.lower(),
        password=hashed,
        secret_key=new_secret_key(),
        role=role,
    )
    try:
        await user.insert()
    except DuplicateKeyError as error:
        raise _taken(duplicate_field(error)) from error
    try:
        # An account of this name may have been deleted between the first check and the insertion, which succeeds only
        # once that account is removed. Its name has been retired before.
        await _refuse_retired(data.username)
    except UsernameTaken:
        await user.delete()
        raise
    return user


async def _refuse_taken(data: UserCreate) -> None:
    """Raise `UsernameTaken` or `EmailTaken` before a hash is spent on it. The unique indexes still decide."""
    await _refuse_retired(data.username)
    keys = {"username_key": data.username.lower(), "email_key": data.email.lower()}
    owners = await User.find({"$or": [{field: key} for field, key in keys.items()]}).to_list()
    if owners:
        names = {owner.username_key for owner in owners}
        raise _taken("username_key" if keys["username_key"] in names else "email_key")


async def _refuse_retired(username: str) -> None:
    if await usernames.is_retired(username):
        raise _taken("username_key")


def _taken(field: str | None) -> Conflict:
    if field == "username_key":
        return UsernameTaken(errors=[FieldError(detail="This user name is taken.", pointer="#/username")])
    return EmailTaken(errors=[FieldError(detail="This e-mail address is taken.", pointer="#/email")])


async def sign_in(username: str, password: str) -> Token:
    """A token for the user whose password this is. Raises `TooManyRequests` after too many tries or failures, and
    `WrongCredentials`, in the same time for an unknown user, a wrong password and an inactive account."""
    attempt = await login_throttle.begin(username)
    user = await find(username)
    correct = await password_hashing.matches(password, user.password if user else None)
    # Once more: of many guesses at the same moment, those behind the limit must not tell which one was right.
    failed = await login_throttle.refuse_if_blocked(attempt)
    if user is None or not correct or not user.active:
        WRONG_PASSWORD.inc()
        await audit.record(Event.SIGN_IN_FAILED, who=None, whom=user.username if user else None)
        await login_throttle.count_failure(attempt)
        raise WrongCredentials
    if failed:
        await login_throttle.forget_failures(attempt)
    if password_hashing.needs_renewal(user.password):
        with suppress(TooManyRequests, Unavailable):  # the next sign-in renews it
            await user.change({"password": await password_hashing.hash_of(password)})
    await audit.record(Event.SIGNED_IN, who=user.username, whom=user.username)
    return tokens.issue(user)


async def find(username: str) -> User | None:
    """The account with this name, in any case; None for a name that no account can have."""
    return await User.find_one(User.username_key == username.lower()) if is_username(username) else None


async def account_of(principal: Principal) -> User:
    """Return the account of the caller, provided that it still has the key that verified the caller's token; raise
    `Unauthenticated` otherwise, whatever a cache says."""
    if principal.id:
        account = {"_id": ObjectId(principal.id), "key_version": principal.key_version}
    else:  # another module authenticates, which knows no keys; a name belongs to one account for ever
        account = {"username_key": principal.username.lower()}
    user = await User.find_one(account, {"active": True})
    if user is None:
        raise tokens.revoked()
    return user


async def renew(principal: Principal) -> Token:
    """Return a fresh token for a valid one, signed with the key that verified that one: if the key changes meanwhile,
    both are revoked. Raise `Unauthenticated` when the session has lasted as long as it may since the password was last
    given."""
    return tokens.issue(await account_of(principal), principal.authenticated_at)


async def change_email(principal: Principal, data: EmailChange) -> User:
    """Give the account another address. Raise `EmailTaken`, and what `_confirmed` raises."""
    user = await _confirmed(principal, data.current_password, "changing the e-mail address")
    try:
        changed = await user.change({"email": data.email, "email_key": data.email.lower()})
    except DuplicateKeyError as error:
        raise _taken(duplicate_field(error)) from error
    if changed is None:
        raise tokens.revoked()
    await audit.record(Event.EMAIL_CHANGED, who=changed.username, whom=changed.username)
    return changed


async def change_password(principal: Principal, data: PasswordChange) -> Token:
    """Replace the password and the key: every older token of this user is revoked, the one in the answer is valid.
    Raise `InvalidRequest` for a weak password, and what `_confirmed` raises."""
    user = await _confirmed(principal, data.current_password)
    changed = await set_password(user, data.new_password.get_secret_value())
    if changed is None:
        raise tokens.revoked()
    await audit.record(Event.PASSWORD_CHANGED, who=user.username, whom=user.username)
    return tokens.issue(changed)


async def _confirmed(principal: Principal, password: SecretStr, purpose: str | None = None) -> User:
    """Return the account of the caller, who gave the current password for a `purpose` that the audit records. Raise
    `InvalidRequest` for a wrong password, `Unauthenticated`, and `TooManyRequests`: tries and failures count as those
    to sign in do."""
    user = await account_of(principal)
    attempt = await login_throttle.begin(user.username)
    correct = await password_hashing.matches(password.get_secret_value(), user.password)
    await login_throttle.refuse_if_blocked(attempt)  # as in `sign_in`
    if not correct:
        WRONG_PASSWORD.inc()
        await audit.record(Event.PASSWORD_CHANGE_FAILED, who=user.username, whom=user.username, detail=purpose)
        await login_throttle.count_failure(attempt)
        wrong = FieldError(detail="This is not your current password.", pointer="#/current_password")
        raise InvalidRequest(errors=[wrong])
    return user


async def set_password(user: User, password: str, *, given: Mapping[str, object] | None = None) -> User | None:
    """Replace an account's password and key, provided that its fields are as `given`; return None if the account has
    changed since it was read. Raise `InvalidRequest` for a weak password."""
    hashed = await password_hashing.hash_new(password, "#/new_password", user.username, user.email)
    return await user.change({"password": hashed, "secret_key": new_secret_key()}, given=given)


async def sign_out_everywhere(principal: Principal) -> None:
    """Replace the user's key: every token of theirs is revoked at once."""
    # If the account has changed since it was read, it has a new key already.
    await (await account_of(principal)).change({"secret_key": new_secret_key()})
    await audit.record(Event.SIGNED_OUT_EVERYWHERE, who=principal.username, whom=principal.username)


async def leave(principal: Principal, data: AccountDeletion) -> None:
    """Delete the user's own account. Raise `LastAdmin`, and what `_confirmed` raises."""
    user = await _confirmed(principal, data.current_password, "deleting the account")
    if not await admin_roster.delete(user):
        raise tokens.revoked()
    await audit.record(Event.DELETED, who=user.username, whom=user.username)
