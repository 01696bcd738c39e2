"""The documents of accounts."""

from datetime import datetime
from typing import Annotated

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, ConfigDict, Field
from pymongo import IndexModel

from core.clock import utc_now
from core.identity import Role

Secret = Annotated[str, Field(repr=False)]


class User(Document):
    """An account.

    `username_key` and `email_key` are lower-case forms with unique indexes, so that names are unique regardless of
    case. `password` is a bcrypt hash of the password in the form that `prepared_password` returns, or if
    `password_prepared` is not set, as it was typed, which earlier versions hashed. `secret_key` signs only this user's
    tokens, and `key_version` counts its changes.
    `reset_hash` is the hash of a one-time code, which is removed when the key changes.
    """

    # A validation error about a stored user must not contain the user's secrets.
    model_config = ConfigDict(hide_input_in_errors=True)

    username: str
    username_key: str
    email: str
    email_key: str
    password: Secret
    password_prepared: bool = False
    secret_key: Secret
    key_version: int = 0
    role: Role = Role.TEACHER
    active: bool = True
    created_at: datetime = Field(default_factory=utc_now)
    reset_hash: Annotated[str | None, Field(repr=False)] = None
    reset_expires_at: datetime | None = None

    class Settings:
        """Null fields are not stored, so that the sparse index on codes contains only accounts with a code."""

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
        """Return whether this account can manage accounts."""
        return self.active and self.role is Role.ADMIN


class SigningKey(BaseModel):
    """The fields of a user that are needed to verify a token."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: Annotated[PydanticObjectId, Field(alias="_id")]
    username: str
    secret_key: Secret
    key_version: int = 0
    role: Role = Role.TEACHER
    active: bool = True


class AdminRoster(Document):
    """The active admins, in a single document, so that concurrent requests cannot remove the last one."""

    id: str = "admins"  # type: ignore[assignment]  # a single document
    members: list[PydanticObjectId] = []

    class Settings:
        """Read and written only by `_id`."""

        name = "admin_roster"


class RetiredUsername(Document):
    """The keyed hash of the lower-case name of a deleted account, which cannot be registered again."""

    id: str  # type: ignore[assignment]  # the hash instead of an ObjectId

    class Settings:
        """Read only by `_id`."""

        name = "retired_usernames"


class UsernameHashKey(Document):
    """The random key of the hashes of retired names. It is created once: with another key, every retired name could be
    registered again."""

    id: str = "usernames"  # type: ignore[assignment]  # a single document
    key: Secret

    class Settings:
        """Read only by `_id`."""

        name = "username_hash_key"


class LoginFailures(Document):
    """A counter of failed sign-ins or of attempts of one kind. Its window lasts from the first of them to
    `expires_at`."""

    id: str  # type: ignore[assignment]  # the counter's key instead of an ObjectId
    failures: int
    expires_at: datetime

    class Settings:
        """Queries ignore expired counters; the time-to-live index only deletes them."""

        name = "login_failures"
        indexes = [IndexModel("expires_at", name="expiry", expireAfterSeconds=0)]


class AuthEvent(Document):
    """One entry of the audit log: the event, the account, the actor and the client address."""

    at: datetime
    event: str
    who: str | None
    whom: str | None
    address: str
    request_id: str
    detail: str | None = None
    expires_at: datetime

    class Settings:
        """Read from the newest to the oldest; the time-to-live index deletes old entries."""

        name = "auth_events"
        indexes = [
            IndexModel([("event", 1), ("_id", -1)], name="event"),
            IndexModel([("whom", 1), ("_id", -1)], name="whom"),
            IndexModel([("who", 1), ("_id", -1)], name="who"),
            IndexModel("expires_at", name="expiry", expireAfterSeconds=0),
        ]
