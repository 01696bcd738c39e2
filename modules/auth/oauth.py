"""How OAuth clients want to hear of errors."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from core.errors import Problem
from core.problem_details import as_problem
from core.routing import CheckedRoute

_CODES = {401: "invalid_grant", 503: "temporarily_unavailable"}


class OAuthRoute(CheckedRoute):
    """A route whose problems also carry `error` and `error_description`, for OAuth clients (RFC 6749, 5.2)."""

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


def _for_oauth(problem: Problem) -> Problem:
    wrong_grant = any(error.pointer == "#/grant_type" for error in problem.errors)
    problem.extensions |= {
        "error": "unsupported_grant_type" if wrong_grant else _CODES.get(problem.status, "invalid_request"),
        "error_description": problem.detail or problem.title,
    }
    return problem
