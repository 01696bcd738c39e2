"""The errors that services raise: each class carries its HTTP status and its documentation.

This module does not depend on a web framework. `core.api.problem_details` renders the errors (RFC 9457).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Self

from pydantic import BaseModel


class StartupError(Exception):
    """The service cannot start. The message tells the operator what is wrong and how to fix it."""


class DatabaseUnreachable(StartupError):
    """The database does not respond: the only startup error that may resolve without a change by the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One invalid value in a request.

    `code` names the kind of error for programs, and `GET /problems/codes` explains it; `detail` explains the error to a
    person. `pointer` is a JSON Pointer into the body, as a URI fragment (RFC 6901, section 6); `parameter` names a
    path, query or header parameter.
    """

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(Exception):
    """Base class of every error that is returned to a client.

    A subclass defines its status and its title. The first sentence of its docstring states its meaning, the others
    what a client can do; both are shown on its page under `/problems`. `detail` describes this occurrence.
    `extensions` become further members of the problem document.
    """

    status: int
    title: str
    documented_headers: ClassVar[Mapping[str, str]] = {}
    """The headers that every response with this problem carries, by name, with their descriptions."""
    extension: ClassVar[type[BaseModel] | None] = None
    """The schema of `extensions`, for the documentation; any of its fields may be absent."""
    example: ClassVar[Mapping[str, Any]] = {}
    """Members that the documented example has besides those of every problem."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    @classmethod
    def type_uri(cls) -> str:
        """Return the problem type: a path that is derived from the class name and never changes."""
        return "/problems/" + re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def meaning(cls) -> str:
        """Return the first sentence of the docstring: the description of this problem in the API documentation."""
        return " ".join((cls.__doc__ or cls.title).split()).partition(". ")[0].rstrip(".") + "."

    @classmethod
    def remedy(cls) -> str:
        """Return the rest of the docstring: what a client can do about this problem."""
        return " ".join((cls.__doc__ or "").split()).partition(". ")[2]


class HttpProblem(Problem):
    """An HTTP error without a problem type of its own; its `type` is `about:blank` (RFC 9457, section 4.2.1)."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.title = HTTPStatus(status).phrase
        super().__init__(detail, headers=headers)

    @classmethod
    def type_uri(cls) -> str:
        return "about:blank"


class BadRequest(Problem):
    """The request cannot be parsed. Send the complete body, in the format that its `Content-Type` names; `detail`
    describes the error."""

    status = 400
    title = "Bad request"


class Unauthenticated(Problem):
    """The request has no valid access token. Sign in with `POST /login` and send the token as
    `Authorization: Bearer …`."""

    status = 401
    title = "Authentication required"
    documented_headers = {"WWW-Authenticate": "`Bearer`, with `error` when a token was sent (RFC 6750)."}

    def __init__(self, detail: str | None = None, *, error: str | None = None) -> None:
        """Set the challenge. `error` is the RFC 6750 error code; omit it for a request without credentials
        (section 3.1)."""
        challenge = f'Bearer error="{error}"' if error else "Bearer"
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The user's role does not permit this operation. Sign in as a user with the role that `WWW-Authenticate` names as
    `scope`, or ask an admin for that role; `GET /me` returns your current role."""

    status = 403
    title = "Forbidden"
    documented_headers = {"WWW-Authenticate": '`Bearer` with `error="insufficient_scope"` and the role as `scope`.'}

    def __init__(self, detail: str, *, role: str) -> None:
        """Set the challenge. `role` is the lowest role that permits the operation (RFC 6750, section 3)."""
        challenge = f'Bearer error="insufficient_scope", scope="{role}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class NotFound(Problem):
    """There is no resource at this URL. Compare the URL with the documentation: paths have no trailing slash and are
    case-sensitive."""

    status = 404
    title = "Not found"


class MethodNotAllowed(Problem):
    """This URL does not support the request method. Use one of the methods in the `Allow` header."""

    status = 405
    title = "Method not allowed"
    documented_headers = {"Allow": "The methods that this URL supports."}


class Conflict(Problem):
    """The request conflicts with the stored data. Read the current state, then decide whether to send the request
    again."""

    status = 409
    title = "Conflict"


class PreconditionFailed(Problem):
    """The record is not in the state that `If-Match` or `If-None-Match` requires. Read the record again, then decide
    whether to repeat the change with its current `ETag`. If a proxy has changed the entity tag, `detail` says so, and
    what to send instead."""

    status = 412
    title = "Precondition failed"
    documented_headers = {"ETag": "The entity tag of the record's current state."}

    def __init__(self, detail: str, *, etag: str) -> None:
        super().__init__(detail, headers={"ETag": etag})


class BodyTooLarge(Problem):
    """The request body is larger than the server accepts. Send less data per request; `detail` states the limit, which
    the server's operator can raise."""

    status = 413
    title = "Body too large"


class UnsupportedMediaType(Problem):
    """The operation does not accept this media type or encoding. Send one of the documented formats, and set
    `Content-Type` accordingly."""

    status = 415
    title = "Unsupported media type"

    @classmethod
    def of(cls, content_type: str, supported: Iterable[str]) -> Self:
        """Return the problem for a `Content-Type`, empty if the header is missing. It names the `supported` types."""
        wrong = f"{content_type[:80]} is not supported" if content_type else "is missing"
        return cls(f"The Content-Type {wrong}. Supported types: {', '.join(sorted(supported))}.")


class InvalidRequest(Problem):
    """The request contains invalid values. `errors` lists each of them with the reason: correct the values and send the
    request again."""

    status = 422
    title = "Invalid request"
    example = {"errors": [{"code": "missing", "detail": "This is required.", "pointer": "#/name"}]}


class PreconditionRequired(Problem):
    """This server requires `If-Match` for changes. Send the `ETag` of the state that you want to change."""

    status = 428
    title = "Precondition required"


class TooManyRequests(Problem):
    """Too many requests were sent within a short time. Try again after `Retry-After` seconds."""

    status = 429
    title = "Too many requests"
    documented_headers = {"Retry-After": "Seconds to wait before the next request."}

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class InternalError(Problem):
    """The server encountered an unexpected error. Try again; if the error persists, report it with the `request_id`,
    which is also in the server's log."""

    status = 500
    title = "Internal server error"


class Unavailable(Problem):
    """The service is temporarily unavailable. Try again after `Retry-After` seconds."""

    status = 503
    title = "Service unavailable"
    documented_headers = {"Retry-After": "Seconds to wait before the next request."}

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
