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


async def authenticated(request: Request) -> Principal:
    """The user who sent `request`; raises `Unauthenticated`. Asks once a request, and leaves the user's name for
    the access log."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    token = await _bearer(request)
    if token is None:
        raise Unauthenticated("Sign in with POST /login, then send the header Authorization: Bearer <token>.")
    authenticate: Authenticator = request.app.state.authenticator
    principal = await authenticate(token)
    request.state.principal = principal
    request.state.user = principal.username
    return principal


async def current_user(request: Request, _: Annotated[str | None, Depends(_bearer)]) -> Principal:
    """The dependency behind every protected route. It names the token so that OpenAPI shows what a route needs."""
    return await authenticated(request)


CurrentUser = Annotated[Principal, Depends(current_user)]
