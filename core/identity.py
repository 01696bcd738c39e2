"""Who is asking: a slot that core defines and exactly one module fills.

Modules say `user: CurrentUser` and never learn how a token becomes a user.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from core.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class Principal:
    """The user on whose behalf a request is made."""

    username: str


Authenticator = Callable[[str], Awaitable[Principal]]
"""Turns an access token into its user, or raises `Unauthenticated`. Declared by one module."""

# The documentation's Authorize button signs in at this address: the service's public contract, not a module's name.
_bearer = OAuth2PasswordBearer(tokenUrl="login", auto_error=False, description="Sign in with `POST /login`.")


async def current_user(request: Request, token: Annotated[str | None, Depends(_bearer)]) -> Principal:
    """The dependency behind every protected route; leaves the user's name for the access log."""
    if token is None:
        raise Unauthenticated("Sign in with POST /login, then send the header Authorization: Bearer <token>.")
    authenticate: Authenticator = request.app.state.authenticator
    principal = await authenticate(token)
    request.state.user = principal.username
    return principal


CurrentUser = Annotated[Principal, Depends(current_user)]
