"""Error responses for OAuth clients (RFC 6749, section 5.2)."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from core.api import as_problem
from core.errors import BadRequest, FieldError, InvalidRequest, Problem
from core.routing import CheckedRoute
from modules.auth.schemas import SignIn

_CODES = {401: "invalid_grant", 503: "temporarily_unavailable"}


class OAuthRoute(CheckedRoute):
    """A route whose problems also carry `error` and `error_description`, for OAuth clients (RFC 6749, section 5.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_oauth(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                problem = as_problem(request, error)
                if problem is None:
                    raise
                raise _for_oauth(problem) from (None if problem is error else error)

        return handle_oauth


async def refuse_repeated_fields(request: Request) -> None:
    """Raise `BadRequest` for a form that contains a field more than once (RFC 6749, section 3.2): two parsers could
    choose different values."""
    counts = Counter(name for name, _ in (await request.form()).multi_items())  # already parsed by the framework
    repeated = {name for name, count in counts.items() if count > 1}
    if repeated:
        known = [name for name in SignIn.model_fields if name in repeated]
        errors = [
            FieldError(code="repeated", detail="This must be given only once.", pointer=f"#/{name}") for name in known
        ]
        raise BadRequest("The form contains a field more than once.", errors=errors)


def _for_oauth(problem: Problem) -> Problem:
    wrong = {error.pointer for error in problem.errors} if isinstance(problem, InvalidRequest) else set()
    problem.extensions |= {
        "error": "unsupported_grant_type" if "#/grant_type" in wrong else _CODES.get(problem.status, "invalid_request"),
        "error_description": problem.detail or problem.title,
    }
    return problem
