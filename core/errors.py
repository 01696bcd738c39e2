"""The error family: each error is a named fact that carries its HTTP status and its documentation.

Services raise these; nothing here knows a web framework. `core.api.problem_details` renders them (RFC 9457).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar


class StartupError(Exception):
    """The service cannot start. The text tells an operator what is wrong and what to do about it."""


class DatabaseUnreachable(StartupError):
    """The database does not answer: the one thing that may come right by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with a request, and where.

    `pointer` is a JSON Pointer into the body as a URI fragment (RFC 6901, section 6); `parameter` names a path,
    query or header parameter. `detail` is a sentence for the person who made the mistake.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(Exception):
    """Base of every error that a client sees. A subclass states its status, its title and, as docstring, its
    meaning in the first sentence, and what a client can do in the others: they are its page under `/problems`.
    `detail` says what happened this time. `extensions` become further members of the answer."""

    status: int
    title: str
    documented_headers: ClassVar[Mapping[str, str]] = {}
    """Header name to its description, for the headers that this answer always carries."""

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
        """The problem type: a path that is made from the class name and never changes."""
        return "/problems/" + re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def meaning(cls) -> str:
        """The first sentence of the docstring: what the API documentation says of this problem."""
        return " ".join((cls.__doc__ or cls.title).split()).partition(". ")[0].rstrip(".") + "."

    @classmethod
    def remedy(cls) -> str:
        """What follows that sentence: what a client can do about it."""
        return " ".join((cls.__doc__ or "").split()).partition(". ")[2]


class HttpProblem(Problem):
    """A status that has no problem type of its own here; `type` is then `about:blank` (RFC 9457, section 4.2.1)."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.title = HTTPStatus(status).phrase
        super().__init__(detail, headers=headers)

    @classmethod
    def type_uri(cls) -> str:
        return "about:blank"


class BadRequest(Problem):
    """The request cannot be read. Send it whole, and in the form that its `Content-Type` says it has; `detail` tells
    what was wrong."""

    status = 400
    title = "Bad request"


class Unauthenticated(Problem):
    """The request carries no valid access token. Sign in with `POST /login` and send the token as
    `Authorization: Bearer`."""

    status = 401
    title = "Not signed in"
    documented_headers = {"WWW-Authenticate": "`Bearer`, with `error` when a token was sent (RFC 6750)."}

    def __init__(self, detail: str | None = None, *, error: str | None = None) -> None:
        """`error` is the RFC 6750 code; a request without any credentials gets none (section 3.1)."""
        challenge = f'Bearer error="{error}"' if error else "Bearer"
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The signed-in user's role does not allow this. Sign in as someone who has the role that `WWW-Authenticate` names
    as `scope`, or ask an admin for it; `GET /me` tells your own."""

    status = 403
    title = "Not allowed"
    documented_headers = {"WWW-Authenticate": '`Bearer` with `error="insufficient_scope"` and the role as `scope`.'}

    def __init__(self, detail: str, *, role: str) -> None:
        """`role` is the least role that would do (RFC 6750, section 3)."""
        challenge = f'Bearer error="insufficient_scope", scope="{role}"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class NotFound(Problem):
    """There is nothing at this address. Compare it with the documentation: an address has no trailing slash, and case
    matters."""

    status = 404
    title = "Not found"


class MethodNotAllowed(Problem):
    """This address exists but does not answer this method. Use one of those that the `Allow` header lists."""

    status = 405
    title = "Method not allowed"
    documented_headers = {"Allow": "The methods that this address answers."}


class Conflict(Problem):
    """The request contradicts what is stored. Read the current state, and decide anew."""

    status = 409
    title = "Conflict"


class PreconditionFailed(Problem):
    """The record is not in the state that `If-Match` or `If-None-Match` expects. Read it again, and decide anew."""

    status = 412
    title = "Precondition failed"
    documented_headers = {"ETag": "Names the current state of the record."}

    def __init__(self, detail: str, *, etag: str) -> None:
        super().__init__(detail, headers={"ETag": etag})


class BodyTooLarge(Problem):
    """The request body is larger than the server accepts. Send less at once; `detail` tells the limit, which the
    server's operator can raise."""

    status = 413
    title = "Body too large"


class UnsupportedMediaType(Problem):
    """The body is of a kind that is not read here. Send one of those that the documentation names, and say in
    `Content-Type` which."""

    status = 415
    title = "Unsupported media type"


class InvalidRequest(Problem):
    """The request is understood but some of its values cannot be accepted. `errors` names each of them, with what it
    must be: correct them, and send the request again."""

    status = 422
    title = "Invalid request"


class PreconditionRequired(Problem):
    """This server wants `If-Match` with each change. Send the `ETag` of the state that you mean to change."""

    status = 428
    title = "Precondition required"


class TooManyRequests(Problem):
    """There were too many tries. Try again after `Retry-After` seconds."""

    status = 429
    title = "Too many tries"
    documented_headers = {"Retry-After": "Seconds to wait before the next try."}

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class InternalError(Problem):
    """The server failed. Trying once more may help; if it does not, report it with the `request_id`, which the server's
    log has, too."""

    status = 500
    title = "Internal server error"


class Unavailable(Problem):
    """The service cannot answer just now. Try again after `Retry-After` seconds."""

    status = 503
    title = "Service unavailable"
    documented_headers = {"Retry-After": "Seconds to wait before the next try."}

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
