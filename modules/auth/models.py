"""What is stored of accounts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, ConfigDict, Field
from pymongo import IndexModel, ReturnDocument

from core.clock import utc_now
from core.identity import Role
from modules.auth.token_cache import verified_tokens

Secret = Annotated[str, Field(repr=False)]


class User(Document):
    """An account. `username_key` and `email_key` are the lower-case forms that make names unique whatever their
    case; `password` is a bcrypt hash; `secret_key` signs this user's tokens and no one else's, and `key_version` counts
    its changes; `reset_hash` is that of a one-time code, which is removed when the key changes."""

    # An error about a stored user must not repeat the user's secrets.
    model_config = ConfigDict(hide_input_in_errors=True)

    username: str
    username_key: str
    email: str
    email_key: str
    password: Secret
    secret_key: Secret
    key_version: int = 0
    role: Role = Role.TEACHER
    active: bool = True
    created_at: datetime = Field(default_factory=utc_now)
    reset_hash: Annotated[str | None, Field(repr=False)] = None
    reset_expires_at: datetime | None = None

    class Settings:
        """Absent fields are not stored, so that the index on codes holds only accounts that have one."""

        name = "users"
        keep_nulls = False
        indexes = [
            IndexModel("username_key", name="username_unique", unique=True),
            IndexModel("email_key", name="email_unique", unique=True),
            IndexModel("reset_hash", name="reset_hash", sparse=True),
            IndexModel("role", name="role"),
        ]

    @property
    def is_active_admin(self) -> bool:
        """Whether this account can manage accounts."""
        return self.active and self.role is Role.ADMIN

    async def change(
        self, changes: Mapping[str, object], *, given: Mapping[str, object] | None = None
    ) -> "User | None":
        """Change the stored account in one step, provided that its key is still the one that was read, and that its
        fields are as `given`. Return None otherwise: after a sign-out, a change of password or rights, or a deletion
        that came in between. A new key removes a pending one-time code."""
        update: dict[str, object] = {"$set": changes}
        if "secret_key" in changes:
            update |= {"$inc": {"key_version": 1}, "$unset": dict.fromkeys(("reset_hash", "reset_expires_at"), "")}
        try:
            stored = await User.get_motor_collection().find_one_and_update(
                self._as_read() | dict(given or {}), update, return_document=ReturnDocument.AFTER
            )
        finally:
            self._evict()
        return None if stored is None else User.model_validate(stored)

    async def remove(self) -> bool:
        """Delete the stored account on the same condition; whether it was met."""
        try:
            result = await User.get_motor_collection().delete_one(self._as_read())
        finally:
            self._evict()
        return bool(result.deleted_count)

    def _evict(self) -> None:
        # Also when it is not known whether the change was made.
        assert self.id, "only a stored account is changed"
        verified_tokens.forget(self.id)

    def _as_read(self) -> dict[str, object]:
        # By the key's version, not by the key: the server's log repeats a filter that fails.
        return {"_id": self.id, "key_version": self.key_version}


class SigningKey(BaseModel):
    """The part of a user that checking a token needs."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: Annotated[PydanticObjectId, Field(alias="_id")]
    username: str
    secret_key: Secret
    key_version: int = 0
    role: Role = Role.TEACHER
    active: bool = True


class AdminRoster(Document):
    """The active admins, in one document, so that the last of them cannot be removed by two requests at once."""

    id: str = "admins"  # type: ignore[assignment]  # there is but one
    members: list[PydanticObjectId] = []

    class Settings:
        """Read and written by its key alone."""

        name = "admin_roster"


class RetiredUsername(Document):
    """The keyed hash of the lower-case name of a deleted account, which no other account may have."""

    id: str  # type: ignore[assignment]  # the hash instead of an ObjectId

    class Settings:
        """Read by its key alone."""

        name = "retired_usernames"


class UsernameHashKey(Document):
    """The random key of those hashes. It is made once: with another key, every retired name would be free again."""

    id: str = "usernames"  # type: ignore[assignment]  # there is but one
    key: Secret

    class Settings:
        """Read by its key alone."""

        name = "username_hash_key"


class LoginFailures(Document):
    """A counter of failed sign-ins, or of attempts of one kind, from the first of them until `expires_at`."""

    id: str  # type: ignore[assignment]  # the counter's key instead of an ObjectId
    failures: int
    expires_at: datetime

    class Settings:
        """Expired counts do not count; the index only clears them away."""

        name = "login_failures"
        indexes = [IndexModel("expires_at", name="expiry", expireAfterSeconds=0)]


class AuthEvent(Document):
    """One line of the audit: what happened to whose account, by whom, and from where."""

    at: datetime
    event: str
    who: str | None
    whom: str | None
    address: str
    request_id: str
    detail: str | None = None
    expires_at: datetime

    class Settings:
        """Read from the newest back, and cleared away by age."""

        name = "auth_events"
        indexes = [
            IndexModel([("event", 1), ("_id", -1)], name="event"),
            IndexModel([("whom", 1), ("_id", -1)], name="whom"),
            IndexModel([("who", 1), ("_id", -1)], name="who"),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]
