"""The one renderer of errors: RFC 9457 `application/problem+json`, for every status the service can answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from core.database import is_outage
from core.errors import (
    BadRequest,
    FieldError,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"

# The longest list of errors in one answer: a hostile body could earn a hundred thousand of them.
MAX_ERRORS = 100

# What pydantic says, in words for someone who has never heard of it. Anything else keeps pydantic's sentence.
_SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "This is not a known field.",
    "json_invalid": "This is not valid JSON: {error}.",
    "string_type": "This must be text.",
    "string_unicode": "This must be valid Unicode text, without lone surrogates.",
    "string_too_short": "This must have at least {min_length} characters.",
    "string_too_long": "This must have at most {max_length} characters.",
    "dict_type": "This must be a JSON object.",
    "model_attributes_type": "Send a JSON object, with the header Content-Type: application/json.",
    "too_long": "This must have at most {max_length} entries.",
    "int_parsing": "This must be a whole number.",
    "greater_than_equal": "This must be {ge} or more.",
    "less_than_equal": "This must be {le} or less.",
}


class ProblemResponse(Response):
    """A problem, rendered. `request_id` ties it to the access log."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, request_id: str) -> None:
        body: dict[str, Any] = {
            "type": problem.type_uri(),
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "request_id": request_id,
            "errors": [_member(error) for error in problem.errors],
            **problem.extensions,
        }
        present = {name: value for name, value in body.items() if value not in (None, [])}
        # A lone surrogate in a field's name must not break the answer that complains about it.
        content = json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        super().__init__(content, problem.status, problem.headers)


def _member(error: FieldError) -> dict[str, str]:
    place = {"pointer": error.pointer} if error.pointer is not None else {"parameter": error.parameter or ""}
    return {"detail": error.detail, **place}


def invalid_from(raw: Sequence[Mapping[str, Any]]) -> Invalid:
    """The problem for a list of pydantic's errors. Never repeats a value that was sent."""
    errors = [_field_error(error) for error in raw[:MAX_ERRORS]]
    left = len(raw) - len(errors)
    detail = f"The first {len(errors)} errors are listed; there are {left} more." if left else None
    return Invalid(detail, errors=errors)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    sentence = _SENTENCES.get(error["type"])
    detail = sentence.format_map(error.get("ctx", {})) if sentence else error["msg"]
    source, *path = error["loc"]
    if source != "body":
        return FieldError(detail=detail, parameter=".".join(str(part) for part in path))
    if error["type"] == "json_invalid":
        return FieldError(detail=f"{detail} Look at character {path[0]}.", pointer="#")
    return FieldError(detail=detail, pointer=_pointer(path))


def _pointer(path: Sequence[str | int]) -> str:
    """A JSON Pointer (RFC 6901). pydantic marks a wrong key, as opposed to its value, with a last `[key]`."""
    parts = path[:-1] if path and path[-1] == "[key]" else path
    return "#" + "".join("/" + str(part)[:100].replace("~", "~0").replace("/", "~1") for part in parts)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem document. What nothing here expects is `RequestFrame`'s."""

    @app.exception_handler(Problem)
    async def problem(request: Request, exc: Problem) -> Response:
        return ProblemResponse(exc, request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, exc: RequestValidationError) -> Response:
        return ProblemResponse(invalid_from(exc.errors()), request.state.request_id)

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> Response:
        return ProblemResponse(_from_http(request, exc), request.state.request_id)

    @app.exception_handler(PyMongoError)
    async def outage(request: Request, exc: PyMongoError) -> Response:
        if not is_outage(exc):
            raise exc
        return ProblemResponse(Unavailable("The database does not answer."), request.state.request_id)


def _from_http(request: Request, exc: HTTPException) -> Problem:
    if isinstance(exc.__cause__, Problem):  # FastAPI wraps what fails while it reads the body
        return exc.__cause__
    match exc.status_code:
        case 404:
            return NotFound(f"There is nothing at {request.url.path}.")
        case 405:
            return MethodNotAllowed(headers={"Allow": ", ".join(allowed_methods(request.app, request.scope))})
        case status if status < 500:
            return BadRequest(str(exc.detail))
        case _:
            return InternalError()


def allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """Every method that some route answers at this path; the framework's own list stops at the first route."""
    methods: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.methods and route.path_regex.match(scope["path"]):
            methods |= route.methods
    return sorted(methods)
