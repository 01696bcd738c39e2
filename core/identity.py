"""Who is asking: a slot that core defines and exactly one module fills.

Modules say `user: CurrentUser`, or `dependencies=[at_least(Role.TEACHER)]`, and never learn how a token becomes a user.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import inf
from time import monotonic
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from core.clock import utc_now
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
    """The user on whose behalf a request is made, as the authenticator found the account."""

    username: str
    role: Role
    authenticated_at: datetime | None = None
    """When the user last gave the password, where the authenticator knows."""
    id: str = ""
    """Identifies the account, where the authenticator knows it."""
    key_version: int = 0
    """Counts the changes of the account's key. Another version means that the token has been revoked."""
    expires_at: datetime | None = None
    """When the token expires, where the authenticator knows."""

    def require(self, role: Role) -> None:
        """Raise `Forbidden` unless the user may do all that `role` may."""
        if not self.role.includes(role):
            raise Forbidden(f"This needs the role {role}; yours is {self.role}.", role=role)


Authenticator = Callable[[str], Awaitable[Principal]]
"""Turn an access token into its user, or raise `Unauthenticated`. It may answer from a cache, so that it authorizes
reads only. Declared by one module."""


Verify = Callable[[Principal, bool], Awaitable[Principal]]
"""Return a caller whose token was accepted earlier with the role that the account has now, or raise `Unauthenticated`:
the account is gone or inactive, or its key has changed. The second argument tells whether the answer may come from a
cache that learns of the changes of other processes. An authenticator has it as its method `verify`; one without it is
called again with the token."""

# A body that has arrived with its head is read without waiting, within this time. Then the first verification may stand
# if the cache knows of no change since. During a longer wait, another process may have made a change that a change
# stream has yet to report, so the database is queried.
PROMPT_SECONDS = 0.002

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

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
    """Return the user who sent `request`, for deciding whether its body is read; raise `Unauthenticated`.

    The authenticator is called once per request. The user's name is kept for the access log.
    """
    known: Principal | None = getattr(request.state, "principal", None)
    if known is None:
        known = request.state.principal = await _authenticate(request)
        request.state.user = known.username
    return known


async def _authenticate(request: Request) -> Principal:
    token = await access_token(request)
    if token is None:
        raise Unauthenticated("Sign in with POST /login, then send the header Authorization: Bearer <token>.")
    authenticate: Authenticator = request.app.state.authenticator
    return await authenticate(token)


async def authorize(request: Request, roles: Sequence[Role], *, use_cache: bool = True) -> None:
    """Authenticate the caller and check the `roles` that the route requires, before the body is read.

    Without `use_cache`, no cache is ever relied on for this request. Both settings hold for `verify_caller`, too.
    """
    request.state.roles, request.state.use_cache = roles, use_cache
    _require(await authenticated(request), roles)
    request.state.verified_at = monotonic()


async def current_user(request: Request) -> Principal:
    """Return the user who sent the request. A dependency: FastAPI resolves it after it has read the body, so that the
    caller of a request that may write is verified again between the body and the route's function."""
    if request.method in READ_METHODS and getattr(request.state, "use_cache", True):
        return await authenticated(request)
    return await verify_caller(request)


async def verify_caller(request: Request) -> Principal:
    """Verify once more that the caller may do what the route does; raise `Unauthenticated` or `Forbidden`.

    A route that reads its body itself calls this once it has the whole body, before it writes anything. A route that
    answers for a long time calls it from time to time.
    """
    principal = await authenticated(request)
    if principal.expires_at is not None and principal.expires_at <= utc_now():
        raise Unauthenticated("This access token has expired. Sign in again.", error="invalid_token")
    return await verify_account(request)


async def verify_account(request: Request) -> Principal:
    """Do the same for work that goes on after its request: the account must still have its rights, but the token may
    have expired meanwhile."""
    verify: Verify | None = getattr(request.app.state.authenticator, "verify", None)
    if verify is None:
        principal = await _authenticate(request)
    else:
        prompt = monotonic() - getattr(request.state, "verified_at", -inf) < PROMPT_SECONDS
        principal = await verify(await authenticated(request), prompt and request.state.use_cache)
    request.state.principal = principal
    _require(principal, getattr(request.state, "roles", ()))
    return principal


def _require(principal: Principal, roles: Sequence[Role]) -> None:
    for role in roles:
        principal.require(role)


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
