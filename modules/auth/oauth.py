"""How OAuth clients want to hear of errors."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from core.errors import Problem
from core.problem_details import invalid_from

_CODES = {401: "invalid_grant", 503: "temporarily_unavailable"}


class OAuthRoute(APIRoute):
    """A route whose problems also carry `error` and `error_description`, for OAuth clients (RFC 6749, 5.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_oauth(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise _for_oauth(invalid_from(error.errors())) from error
            except Problem as problem:
                raise _for_oauth(problem) from problem

        return handle_oauth


def _for_oauth(problem: Problem) -> Problem:
    problem.extensions |= {
        "error": _CODES.get(problem.status, "invalid_request"),
        "error_description": problem.detail or problem.title,
    }
    return problem
