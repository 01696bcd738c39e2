"""What clients send to sign in, and what they get."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class SignIn(BaseModel):
    """The form that OAuth clients sign in with (RFC 6749, section 4.3.2). Further fields are ignored, and an empty one
    is one that was left out (section 3.2)."""

    model_config = _example({"grant_type": "password", "username": "alice", "password": "secure123"})

    grant_type: Annotated[str, Field(pattern="^(password)?$", description="`password`.")] = ""
    username: str
    password: SecretStr
    scope: Annotated[str, Field(description="Need not be chosen: what a user may do is the user's role.")] = ""
    client_id: Annotated[str, Field(description="Not looked at.")] = ""
    client_secret: Annotated[SecretStr, Field(description="Not looked at.")] = SecretStr("")


class Token(BaseModel):
    """An access token (RFC 6749, section 5.1)."""

    model_config = _example({"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 1800})

    access_token: Annotated[str, Field(description="Send it as `Authorization: Bearer …`.")]
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="Seconds until the token expires.")]
