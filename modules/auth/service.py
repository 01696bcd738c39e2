"""Operations on the user's own account: registration, sign-in, changes and deletion."""

from collections.abc import Mapping
from contextlib import suppress

from bson import ObjectId
from pydantic import SecretStr
from pymongo.errors import DuplicateKeyError

from core.database import duplicate_field
from core.errors import Conflict, FieldError, InvalidRequest, Problem, TooManyRequests, Unauthenticated, Unavailable
from core.identity import Principal, Role
from core.security import is_hashable, new_secret_key
from modules.auth import account_store, admin_roster, audit, login_throttle, password_hashing, tokens, usernames
from modules.auth.audit import Event
from modules.auth.metrics import WRONG_PASSWORD
from modules.auth.models import User
from modules.auth.preparation import LoginName, prepared_password, prepared_username
from modules.auth.schemas import AccountDeletion, EmailChange, PasswordChange, Token, UserCreate, is_username
from modules.auth.settings import AuthSettings


class UsernameTaken(Conflict):
    """Another account has or had this user name, possibly in different case. Choose another user name, or sign in if
    the account is yours."""

    title = "User name taken"


class EmailTaken(Conflict):
    """Another account has this e-mail address, possibly in different case. Use another e-mail address, or sign in if
    the account is yours."""

    title = "E-mail address taken"


class RegistrationClosed(Problem):
    """Public registration is disabled on this server. Ask the server's operator for an account."""

    status = 403
    title = "Registration closed"


class WrongCredentials(Unauthenticated):
    """The user name, the e-mail address or the password is wrong, or the account is deactivated. Check what you have
    sent. If you have forgotten the password, an admin can create a code for `POST /password-reset`."""

    title = "Wrong user name or password"
    example = {"error": "invalid_grant", "error_description": title}


async def register(data: UserCreate) -> User:
    """Create an account with the default role. Raise `RegistrationClosed`, `TooManyRequests` after too many attempts
    from the caller's address, and what `create` raises."""
    settings = AuthSettings.current()
    if settings.registration == "closed":
        raise RegistrationClosed
    await login_throttle.count_registration()
    user = await create(data, Role(settings.default_role), registering=True)
    await audit.record(Event.REGISTERED, who=user.username, whom=user.username)
    return user


async def create(data: UserCreate, role: Role, *, registering: bool = False) -> User:
    """Create an account with its own signing key. Raise `UsernameTaken`, also for the name of a deleted account,
    `EmailTaken`, and `InvalidRequest` for a password that is easy to guess. `registering` is for public
    registration."""
    await _refuse_taken(data)
    password = data.password.get_secret_value()
    hashed = await password_hashing.hash_new(password, "#/password", data.username, data.email, registering=registering)
    user = User(
        username=data.username,
        username_key=data.username.lower(),
        email=data.email,
        email_key=data.email.lower(),
        password=hashed,
        password_prepared=True,
        secret_key=new_secret_key(),
        role=role,
    )
    try:
        await user.insert()
    except DuplicateKeyError as error:
        raise _taken(duplicate_field(error)) from error
    try:
        # An account with this name may have been deleted since the first check; the insertion succeeds only after that
        # account is removed. Names are retired before the account is removed, so this second check finds the name.
        await _refuse_retired(data.username)
    except UsernameTaken:
        await user.delete()
        raise
    return user


async def _refuse_taken(data: UserCreate) -> None:
    """Raise `UsernameTaken` or `EmailTaken` before a password hash is computed. The unique indexes remain decisive."""
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
        return UsernameTaken(
            errors=[FieldError(code="exists", detail="This user name is taken.", pointer="#/username")]
        )
    return EmailTaken(errors=[FieldError(code="exists", detail="This e-mail address is taken.", pointer="#/email")])


async def sign_in(text: str, password: str) -> Token:
    """Return an access token for the user with this user name or e-mail address, and this password. Raise
    `TooManyRequests` after too many attempts or failures, and `WrongCredentials`, after the same time for an unknown
    user, a wrong password and an inactive account."""
    await login_throttle.count_attempt()
    name = LoginName.of(text)
    user = await _named(name)
    attempt = await login_throttle.begin(name.key, user.username_key if user else name.key)
    correct = await password_hashing.matches(_as_hashed(password, user), user.password if user else None)
    # Check again: among many concurrent guesses, those beyond the limit must not reveal which password is correct.
    standing = await login_throttle.check_not_blocked(attempt)
    if user is None or not correct or not user.active or standing.is_blocked:
        WRONG_PASSWORD.inc()
        detail = "blocked after failures with another name" if standing.is_blocked else None
        await audit.record(Event.SIGN_IN_FAILED, who=None, whom=user.username if user else None, detail=detail)
        await login_throttle.count_failure(attempt)
        raise WrongCredentials
    if standing.has_failures:
        await login_throttle.forget_failures(attempt)
    with suppress(TooManyRequests, Unavailable):  # the next sign-in renews it
        await _renew_hash(user, password)
    await audit.record(Event.SIGNED_IN, who=user.username, whom=user.username)
    return tokens.issue(user)


async def _named(name: LoginName) -> User | None:
    if name.field == "email_key":
        return await User.find_one(User.email_key == name.key)
    return await find(name.key) if name.field else None


def _as_hashed(password: str, user: User | None) -> str:
    """Return a password in the form in which the account's password was hashed. It is compared in one form only: a
    second comparison would double the work of each attempt."""
    return prepared_password(password) if user is None or user.password_prepared else password


async def _renew_hash(user: User, password: str) -> None:
    """Replace the hash of a correct password if its cost is low, or if it is that of the password as it was typed."""
    prepared = prepared_password(password)
    if not is_hashable(prepared):  # in NFC, a few characters are longer than as they were typed
        return
    changes: dict[str, object] = {} if user.password_prepared else {"password_prepared": True}
    if password_hashing.needs_renewal(user.password) or _as_hashed(password, user) != prepared:
        changes["password"] = await password_hashing.hash_of(prepared)
    if changes:
        await account_store.change(user, changes)


async def find(username: str) -> User | None:
    """Return the account with this name, ignoring case; None if there is none or the name is invalid."""
    name = prepared_username(username)
    return await User.find_one(User.username_key == name.lower()) if is_username(name) else None


async def account_of(principal: Principal) -> User:
    """Return the account of the caller from the database. Raise `Unauthenticated` unless it is active and still has the
    key that verified the caller's token."""
    if principal.id:
        account = {"_id": ObjectId(principal.id), "key_version": principal.key_version}
    else:  # another module's authenticator does not know the keys; a name is never reused for another account
        account = {"username_key": principal.username.lower()}
    user = await User.find_one(account, {"active": True})
    if user is None:
        raise tokens.revoked()
    return user


async def renew(principal: Principal) -> Token:
    """Return a new token for a valid one, signed with the same key: if the key changes in between, both are revoked.
    Raise `Unauthenticated` if the session has expired, counted from when the user last entered the password."""
    return tokens.issue(await account_of(principal), principal.authenticated_at)


async def change_email(principal: Principal, data: EmailChange) -> User:
    """Change the account's e-mail address. Raise `EmailTaken`, and what `_confirm_password` raises."""
    user = await _confirm_password(principal, data.current_password, "changing the e-mail address")
    try:
        changed = await account_store.change(user, {"email": data.email, "email_key": data.email.lower()})
    except DuplicateKeyError as error:
        raise _taken(duplicate_field(error)) from error
    if changed is None:
        raise tokens.revoked()
    await audit.record(Event.EMAIL_CHANGED, who=changed.username, whom=changed.username)
    return changed


async def change_password(principal: Principal, data: PasswordChange) -> Token:
    """Replace the password and the key, which revokes the user's existing tokens, and return a new token. Raise
    `InvalidRequest` for a weak password, and what `_confirm_password` raises."""
    user = await _confirm_password(principal, data.current_password)
    changed = await set_password(user, data.new_password.get_secret_value())
    if changed is None:
        raise tokens.revoked()
    await audit.record(Event.PASSWORD_CHANGED, who=user.username, whom=user.username)
    return tokens.issue(changed)


async def _confirm_password(principal: Principal, password: SecretStr, purpose: str | None = None) -> User:
    """Verify the current password and return the caller's account. The audit log records the `purpose` of a failed
    attempt.

    Raise `InvalidRequest` for a wrong password, `Unauthenticated`, and `TooManyRequests`: attempts and failures are
    counted together with those to sign in.
    """
    user = await account_of(principal)
    await login_throttle.count_attempt()
    attempt = await login_throttle.begin(user.username_key, user.username_key, signed_in=True)
    correct = await password_hashing.matches(_as_hashed(password.get_secret_value(), user), user.password)
    await login_throttle.check_not_blocked(attempt)  # as in `sign_in`
    if not correct:
        WRONG_PASSWORD.inc()
        await audit.record(Event.PASSWORD_CHANGE_FAILED, who=user.username, whom=user.username, detail=purpose)
        await login_throttle.count_failure(attempt)
        detail = "This is not your current password."
        wrong = FieldError(code="password_wrong", detail=detail, pointer="#/current_password")
        raise InvalidRequest(errors=[wrong])
    return user


async def set_password(user: User, password: str, *, given: Mapping[str, object] | None = None) -> User | None:
    """Replace an account's password and key if its fields are as `given`; return None if the account has changed since
    it was read. Raise `InvalidRequest` for a weak password."""
    hashed = await password_hashing.hash_new(password, "#/new_password", user.username, user.email)
    changes = {"password": hashed, "password_prepared": True, "secret_key": new_secret_key()}
    return await account_store.change(user, changes, given=given)


async def sign_out_everywhere(principal: Principal) -> None:
    """Replace the user's key, which revokes all tokens of the user immediately."""
    # If the account has changed since it was read, it already has a new key.
    await account_store.change(await account_of(principal), {"secret_key": new_secret_key()})
    await audit.record(Event.SIGNED_OUT_EVERYWHERE, who=principal.username, whom=principal.username)


async def delete_own_account(principal: Principal, data: AccountDeletion) -> None:
    """Delete the caller's account. Raise `LastAdmin`, and what `_confirm_password` raises."""
    user = await _confirm_password(principal, data.current_password, "deleting the account")
    if not await admin_roster.delete(user):
        raise tokens.revoked()
    await audit.record(Event.DELETED, who=user.username, whom=user.username)
