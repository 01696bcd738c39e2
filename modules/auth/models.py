"""What is stored of a user."""

from datetime import datetime
from typing import Annotated

from beanie import Document
from pydantic import BaseModel, ConfigDict, Field
from pymongo import IndexModel

from core.clock import utc_now


class User(Document):
    """An account. `username_key` and `email_key` are the lower-case forms that make names unique whatever their
    case; `password` is a bcrypt hash; `secret_key` signs this user's tokens and no one else's."""

    # An error about a stored user must not repeat the user's secrets.
    model_config = ConfigDict(hide_input_in_errors=True)

    username: str
    username_key: str
    email: str
    email_key: str
    password: Annotated[str, Field(repr=False)]
    secret_key: Annotated[str, Field(repr=False)]
    created_at: datetime = Field(default_factory=utc_now)

    class Settings:
        name = "users"
        indexes = [
            IndexModel("username_key", name="username_unique", unique=True),
            IndexModel("email_key", name="email_unique", unique=True),
        ]


class Credentials(BaseModel):
    """The part of a user that signing in and checking a token need."""

    model_config = ConfigDict(hide_input_in_errors=True)

    username: str
    password: Annotated[str, Field(repr=False)]
    secret_key: Annotated[str, Field(repr=False)]
