"""The routes of accounts: public ones, those of the user's own account, and those for admins."""

from typing import Annotated

from fastapi import Depends, Form, Path, Query, Request, Response

from core.api import LINK, CursorNotFound, Listing, PageQuery, problem_responses
from core.database import SortKey, object_id
from core.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
)
from core.identity import CurrentUser, Role, at_least
from core.routing import ProtectedRouter, PublicRouter, UncachedRoute
from modules.auth import audit, service, user_administration
from modules.auth.admin_roster import AccountChanged, LastAdmin
from modules.auth.audit import Event
from modules.auth.oauth_errors import OAuthRoute, refuse_repeated_fields
from modules.auth.schemas import (
    AccountDeletion,
    AccountRead,
    AccountUpdate,
    AuthEventRead,
    EmailChange,
    OAuthProblem,
    PasswordChange,
    PasswordReset,
    ResetCode,
    SignIn,
    Token,
    UserCreate,
    Username,
    UserRead,
)
from modules.auth.service import EmailTaken, RegistrationClosed, UsernameTaken, WrongCredentials
from modules.auth.user_administration import UserNotFound

public_router = PublicRouter()
oauth = PublicRouter(route_class=OAuthRoute)
router = ProtectedRouter(route_class=UncachedRoute)

ADMIN = at_least(Role.ADMIN)
USERS = Listing("users", (SortKey("username_key"),))
EVENTS = Listing("auth-events", (SortKey("_id", descending=True, parse=object_id),))

UsernameInPath = Annotated[Username, Path(description="The user name; case is ignored.")]


@public_router.post(
    "/register",
    status_code=201,
    responses=problem_responses(UsernameTaken, EmailTaken, RegistrationClosed, TooManyRequests),
)
async def register(data: UserCreate) -> UserRead:
    """Register a new account.

    An IP address is blocked after `REGISTRATIONS_PER_ADDRESS` (20) attempts within `LOGIN_WINDOW_MINUTES` (5)
    minutes, including successful ones.
    """
    return UserRead.model_validate(await service.register(data))


@oauth.post(
    "/login",
    # Larger forms are rejected before they are decoded, which takes half a second for a megabyte of percent signs.
    form_limits={"max_fields": 20, "max_part_size": 4096},
    dependencies=[Depends(refuse_repeated_fields)],
    responses=problem_responses(
        BadRequest,
        BodyTooLarge,
        InvalidRequest,
        TooManyRequests,
        Unavailable,
        UnsupportedMediaType,
        WrongCredentials,
        extension=OAuthProblem,
    ),
)
async def login(form: Annotated[SignIn, Form()]) -> Token:
    """Sign in with user name or e-mail address and password, and get an access token.

    Sign-ins are rate-limited within `LOGIN_WINDOW_MINUTES` (5) minutes. After `LOGIN_FAILURES` (5) wrong passwords for
    a user, the user is blocked for this IP address. The user name or e-mail address with which they were sent gets 429.
    The other one gets 401, even with the right password, as nobody must learn which of them belong together. The IP
    address is blocked after
    `LOGIN_FAILURES_PER_ADDRESS` (20) wrong passwords, or after `LOGIN_ATTEMPTS_PER_ADDRESS` (300) attempts, including
    successful ones.
    """
    return await service.sign_in(form.username, form.password.get_secret_value())


@public_router.post(
    "/password-reset", status_code=204, response_class=Response, responses=problem_responses(TooManyRequests)
)
async def reset_password(data: PasswordReset) -> None:
    """Set a new password with a one-time code from an admin.

    The code expires after an hour and can be used once. All existing access tokens of the user are revoked.
    """
    await user_administration.finish_reset(data.code.get_secret_value(), data.new_password.get_secret_value())


public_router.include_router(oauth)


@router.get("/me")
async def me(user: CurrentUser) -> AccountRead:
    """Get your own account."""
    return AccountRead.model_validate(await service.account_of(user))


@router.patch("/me", responses=problem_responses(EmailTaken, TooManyRequests))
async def change_me(user: CurrentUser, data: EmailChange) -> AccountRead:
    """Change your e-mail address.

    Requires your current password. Wrong passwords are limited as for `POST /login`.
    """
    return AccountRead.model_validate(await service.change_email(user, data))


@router.delete("/me", status_code=204, response_class=Response, responses=problem_responses(LastAdmin, TooManyRequests))
async def delete_me(user: CurrentUser, data: AccountDeletion) -> None:
    """Delete your own account.

    Requires your current password. Wrong passwords are limited as for `POST /login`. The user name cannot be registered
    again afterwards.
    """
    await service.delete_own_account(user, data)


@router.post(
    "/me/password",
    responses=problem_responses(TooManyRequests),
)
async def change_password(user: CurrentUser, data: PasswordChange) -> Token:
    """Change your password, and get a new access token.

    All your existing access tokens are revoked.
    """
    return await service.change_password(user, data)


@router.post("/renew")
async def renew(user: CurrentUser) -> Token:
    """Get a new access token in exchange for a valid one.

    A session ends `SESSION_MAX_HOURS` after the user last entered the password.
    """
    return await service.renew(user)


@router.post("/logout-all", status_code=204, response_class=Response)
async def logout_all(user: CurrentUser) -> None:
    """Sign out everywhere.

    All your access tokens are revoked immediately.
    """
    await service.sign_out_everywhere(user)


@router.get(
    "/users",
    dependencies=[ADMIN],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_users(query: Annotated[PageQuery, Query()], request: Request, response: Response) -> list[AccountRead]:
    """List accounts, sorted by user name."""
    page = await user_administration.list_(USERS.window(query))
    USERS.link(page, request, response)
    return [AccountRead.model_validate(user) for user in page.items]


@router.get("/users/{username}", dependencies=[ADMIN], responses=problem_responses(Forbidden, UserNotFound))
async def get_user(username: UsernameInPath) -> AccountRead:
    """Get an account."""
    return AccountRead.model_validate(await user_administration.get(username))


@router.patch(
    "/users/{username}",
    dependencies=[ADMIN],
    responses=problem_responses(Forbidden, UserNotFound, LastAdmin, AccountChanged),
)
async def update_user(user: CurrentUser, username: UsernameInPath, data: AccountUpdate) -> AccountRead:
    """Change an account's role, or activate or deactivate the account.

    All access tokens of the user are revoked.
    """
    return AccountRead.model_validate(await user_administration.update(user, username, data))


@router.delete(
    "/users/{username}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=problem_responses(Forbidden, UserNotFound, LastAdmin, AccountChanged),
)
async def delete_user(user: CurrentUser, username: UsernameInPath) -> None:
    """Delete an account.

    The user name cannot be registered again afterwards.
    """
    await user_administration.delete(user, username)


@router.post(
    "/users/{username}/password-reset",
    dependencies=[ADMIN],
    responses=problem_responses(Forbidden, UserNotFound, AccountChanged),
)
async def start_password_reset(user: CurrentUser, username: UsernameInPath) -> ResetCode:
    """Create a one-time code with which the user can set a new password.

    The code expires after an hour and replaces earlier codes. Hand it to the user, who sends it to
    `POST /password-reset`.
    """
    return await user_administration.start_reset(user, username)


class EventQuery(PageQuery):
    """The query parameters of the audit log."""

    event: Annotated[Event | None, Query(description="Return only events of this type.")] = None
    username: Annotated[Username | None, Query(description="Return only events about or by this user.")] = None


@router.get(
    "/auth-events",
    dependencies=[ADMIN],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_auth_events(
    query: Annotated[EventQuery, Query()], request: Request, response: Response
) -> list[AuthEventRead]:
    """List the audit log of accounts, newest events first."""
    page = await audit.list_(EVENTS.window(query), event=query.event, username=query.username)
    EVENTS.link(page, request, response)
    return [AuthEventRead.model_validate(event) for event in page.items]
