"""Authentication and authorization: core defines the interface, and exactly one module provides the authenticator.

Modules declare `user: CurrentUser`, or `dependencies=[at_least(Role.TEACHER)]`, and do not depend on how a token is
verified.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from inspect import isawaitable
from math import inf
from time import monotonic
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from core.clock import utc_now
from core.errors import Forbidden, Unauthenticated


class Role(StrEnum):
    """The role of a user. Each role includes the permissions of the roles before it."""

    VIEWER = "viewer"
    TEACHER = "teacher"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Return whether this role has all permissions of `other`."""
        ranking = list(Role)
        return ranking.index(self) >= ranking.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated user of a request, as the authenticator read the account."""

    username: str
    role: Role
    authenticated_at: datetime | None = None
    """When the user last entered the password; None if the authenticator does not know."""
    id: str = ""
    """The id of the account; empty if the authenticator does not know it."""
    key_version: int = 0
    """The number of changes of the account's key. A different number means that the token has been revoked."""
    expires_at: datetime | None = None
    """When the token expires; None if the authenticator does not know."""

    def require(self, role: Role) -> None:
        """Raise `Forbidden` unless the user has all permissions of `role`."""
        if not self.role.includes(role):
            raise Forbidden(f"This operation requires the role {role}; your role is {self.role}.", role=role)


Authenticator = Callable[[str], Awaitable[Principal]]
"""Return the user of an access token, or raise `Unauthenticated`. The result may come from a cache, so it authorizes
reads only. Declared by one module."""


Verify = Callable[[Principal, bool], Awaitable[Principal]]
"""Return the user of a token that was accepted earlier, with the account's current role. Raise `Unauthenticated` if the
account is deleted or inactive, or if its key has changed. The second argument states whether the result may come from
a cache that a change stream invalidates. An authenticator provides it as its method `verify`; an authenticator without
this method is called again with the token."""

# A body that arrives together with the request head is read within this time. The first verification then remains valid
# unless the cache has seen a change since. During a longer wait, another process may have made a change that the change
# stream has not reported yet, so the database is queried.
RECHECK_SECONDS = 0.002

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class _CurrentUser(OAuth2PasswordBearer):
    """The dependency that returns the user who sent a request, and the security scheme that OpenAPI shows for it.

    FastAPI resolves it after it has read the body, so the caller of a request that may write is verified again between
    reading the body and calling the route's function.
    """

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]  # returns more than the token
        if request.method in READ_METHODS and getattr(request.state, "use_cache", True):
            return await authenticated(request)
        return await verify_caller(request)

    async def token_of(self, request: Request) -> str | None:
        """Return the access token in a request's `Authorization` header."""
        return await super().__call__(request)


current_user = _CurrentUser(
    scheme_name="OAuth2PasswordBearer",
    # The documentation's Authorize button signs in at this path: part of the public API, not the name of a module.
    tokenUrl="login",
    auto_error=False,
    description="Sign in with `POST /login`. The scopes are the roles of users; no scope needs to be requested.",
    scopes={
        Role.VIEWER: "read students",
        Role.TEACHER: "read and write students",
        Role.ADMIN: "read and write students, and manage accounts",
    },
)


async def authenticated(request: Request) -> Principal:
    """Return the user who sent `request`, before its body is read; raise `Unauthenticated`.

    The authenticator is called once per request. The user name is stored for the access log. A test may replace
    `current_user` in the app's `dependency_overrides` by a function without parameters, and `check_role` as well.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is None:
        known = request.state.principal = await _authenticate(request)
        request.state.user = known.username
    return known


async def _authenticate(request: Request) -> Principal:
    if replacement := request.app.dependency_overrides.get(current_user):
        answer = replacement()
        principal: Principal = await answer if isawaitable(answer) else answer
        return principal
    token = await current_user.token_of(request)
    if token is None:
        raise Unauthenticated("Sign in with POST /login, then send the header Authorization: Bearer <token>.")
    authenticate: Authenticator = request.app.state.authenticator
    return await authenticate(token)


async def authorize(request: Request, roles: Sequence[Role], *, use_cache: bool = True) -> None:
    """Authenticate the caller and check the `roles` that the route requires, before the body is read.

    Without `use_cache`, this request is never authorized from a cache. Both arguments also apply to `verify_caller`.
    """
    roles = () if check_role in request.app.dependency_overrides else roles
    request.state.roles, request.state.use_cache = roles, use_cache
    _require(await authenticated(request), roles)
    request.state.verified_at = monotonic()


async def verify_caller(request: Request) -> Principal:
    """Verify again that the caller may use the route; raise `Unauthenticated` or `Forbidden`.

    A route that reads its body itself calls this after the whole body has arrived, before it writes anything. A route
    that streams a long response calls it periodically.
    """
    principal = await authenticated(request)
    if principal.expires_at is not None and principal.expires_at <= utc_now():
        raise Unauthenticated("This access token has expired. Sign in again.", error="invalid_token")
    return await verify_account(request)


async def verify_account(request: Request) -> Principal:
    """Verify the caller as `verify_caller` does, for work that continues after its request: the account must still
    have the required role, but the token may have expired."""
    verify: Verify | None = getattr(request.app.state.authenticator, "verify", None)
    if verify is None or current_user in request.app.dependency_overrides:
        principal = await _authenticate(request)
    else:
        is_recent = monotonic() - getattr(request.state, "verified_at", -inf) < RECHECK_SECONDS
        principal = await verify(await authenticated(request), is_recent and request.state.use_cache)
    request.state.principal = principal
    _require(principal, getattr(request.state, "roles", ()))
    return principal


def _require(principal: Principal, roles: Sequence[Role]) -> None:
    for role in roles:
        principal.require(role)


CurrentUser = Annotated[Principal, Depends(current_user)]


def at_least(role: Role) -> Any:
    """Return a dependency that admits only users whose role includes `role`. OpenAPI shows the role as a scope.

    The dependency raises `Forbidden`, which the route documents.
    """
    return Security(check_role, scopes=[role])


async def check_role(user: CurrentUser, required: SecurityScopes) -> None:
    """Raise `Forbidden` unless the user has the required roles; the dependency behind `at_least`."""
    for scope in required.scopes:
        user.require(Role(scope))
