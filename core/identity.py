"""Who is asking: a slot that core defines and exactly one module fills.

Modules say `user: CurrentUser`, or `dependencies=[at_least(Role.TEACHER)]`, and never learn how a token becomes a user.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from core.errors import Forbidden, Unauthenticated


class Role(StrEnum):
    """What a user may do. Each role may also do what those before it may."""

    VIEWER = "viewer"
    TEACHER = "teacher"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that `other` may."""
        ranking = list(Role)
        return ranking.index(self) >= ranking.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """The user on whose behalf a request is made."""

    username: str
    role: Role
    authenticated_at: datetime | None = None
    """When the user last gave the password, where the authenticator knows."""

    def require(self, role: Role) -> None:
        """Raise `Forbidden` unless the user may do all that `role` may."""
        if not self.role.includes(role):
            raise Forbidden(f"This needs the role {role}; yours is {self.role}.", role=role)


Authenticator = Callable[[str], Awaitable[Principal]]
"""Turns an access token into its user, or raises `Unauthenticated`. Declared by one module."""

# The documentation's Authorize button signs in at this address: the service's public contract, not a module's name.
access_token = OAuth2PasswordBearer(
    tokenUrl="login",
    auto_error=False,
    description="Sign in with `POST /login`. The scopes are roles, which belong to the user: none needs to be chosen.",
    scopes={
        Role.VIEWER: "read students",
        Role.TEACHER: "read and write students",
        Role.ADMIN: "also manage accounts",
    },
)


async def authenticated(request: Request) -> Principal:
    """The user who sent `request`; raises `Unauthenticated`. Asks once a request, and leaves the user's name for
    the access log."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:
        return known
    token = await access_token(request)
    if token is None:
        raise Unauthenticated("Sign in with POST /login, then send the header Authorization: Bearer <token>.")
    authenticate: Authenticator = request.app.state.authenticator
    principal = await authenticate(token)
    request.state.principal = principal
    request.state.user = principal.username
    return principal


async def current_user(request: Request) -> Principal:
    """The user who sent the request, for a route that wants to know."""
    return await authenticated(request)


CurrentUser = Annotated[Principal, Depends(current_user)]


def at_least(role: Role) -> Any:
    """A route's dependency that lets only users pass whose role includes `role`; shows in OpenAPI as a scope.
    Raises `Forbidden`, which the route documents."""
    return Security(check_role, scopes=[role])


async def check_role(
    user: CurrentUser, required: SecurityScopes, _: Annotated[str | None, Depends(access_token)]
) -> None:
    """The dependency behind `at_least`. It names the token so that OpenAPI shows the role."""
    for scope in required.scopes:
        user.require(Role(scope))
