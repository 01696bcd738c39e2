"""Rendering of all errors as problem documents (RFC 9457, `application/problem+json`)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.routing import Mount

from core.api.documented_responses import PROBLEM_MEDIA_TYPE
from core.api.text_fields import composed
from core.api.validation_messages import code_of, plain, sentence_of
from core.database import as_unavailable
from core.errors import (
    BadRequest,
    FieldError,
    HttpProblem,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
)

# The maximum number of errors in one response: a malicious body could cause a hundred thousand of them.
MAX_ERRORS = 100

# The maximum length of a pointer's segment, for the same reason. No field of the API has a longer name.
MAX_STEP = 200

_UNREADABLE_FORM = "The form is not valid, or has too many or too large fields. Send only the documented fields."


class ProblemResponse(Response):
    """A response with a problem document. `request_id` identifies the request in the access log."""

    media_type = PROBLEM_MEDIA_TYPE

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
        # A lone surrogate in a rejected value must not break the response.
        content = json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        super().__init__(content, problem.status, problem.headers)


def _member(error: FieldError) -> dict[str, str]:
    place = {"pointer": error.pointer} if error.pointer is not None else {"parameter": error.parameter or ""}
    return {"code": error.code, "detail": error.detail, **place}


def install_error_handlers(app: FastAPI) -> None:
    """Return errors of `app` as problem documents. `RequestContextMiddleware` handles all other exceptions."""

    async def handle(request: Request, exc: Exception) -> Response:
        problem = as_problem(request, exc)
        if problem is None:
            raise exc
        if request.method == "OPTIONS" and isinstance(problem, MethodNotAllowed):
            return Response(status_code=204, headers=problem.headers)  # with `Allow` (RFC 9110, section 9.3.7)
        return ProblemResponse(problem, request.state.request_id)

    for kind in (Problem, RequestValidationError, HTTPException, PyMongoError):
        app.add_exception_handler(kind, handle)


def as_problem(request: Request, error: Exception) -> Problem | None:
    """Return the problem for an exception, or None for an exception that indicates a bug in the service."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _from_validation(error.errors(), request)
        case HTTPException():
            return _from_http(request, error)
        case PyMongoError():
            return as_unavailable(error)
        case _:
            return None


def _from_http(request: Request, error: HTTPException) -> Problem:
    if isinstance(error.__cause__, Problem):  # FastAPI wraps exceptions that occur while it reads the body
        return error.__cause__
    match error.status_code:
        case 400:
            is_form = isinstance(error.__context__, MultiPartException)
            return BadRequest(_UNREADABLE_FORM if is_form else plain(error.detail))
        case 404:
            return NotFound(f"There is no resource at {request.url.path}.")
        case 405:
            return MethodNotAllowed(headers={"Allow": ", ".join(_allowed_methods(request))})
        case status if status < 500:
            return HttpProblem(status, error.detail, error.headers)
        case _:
            return InternalError()


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes that match this path; the framework lists only those of the first match."""
    scope = request.scope
    # Inside a mounted application, `root_path` also contains the path of the mount.
    path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    methods = {"OPTIONS"}
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(path):
            methods |= {"GET"} if isinstance(route.original_route, Mount) else route.methods or set()
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _from_validation(raw: Sequence[Mapping[str, Any]], request: Request) -> InvalidRequest:
    """Return the problem for a list of pydantic errors. It never repeats a submitted value."""
    known: Mapping[str, Sequence[str]] = getattr(request.scope.get("route"), "known_names", {})
    errors = [_field_error(error, known) for error in raw[:MAX_ERRORS]]
    left = len(raw) - len(errors)
    detail = f"Only the first {len(errors)} errors are listed; there are {left} more." if left else None
    return InvalidRequest(detail, errors=errors)


def _field_error(error: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> FieldError:
    """Return the field error for a pydantic error. `known` are the names in each part of the request."""
    source, *path = error["loc"]
    code, detail = code_of(error), sentence_of(error, known.get(source, ()) if len(path) == 1 else ())
    if _is_about_key(path, error):
        path = path[:-1]
    if source != "body":
        # The last step is the index among the values of a repeated parameter.
        number = f"Value {path[-1] + 1}: " if path and isinstance(path[-1], int) and path[-1] > 0 else ""
        name = ".".join(step for step in path if isinstance(step, str))
        return FieldError(code=code, detail=number + detail, parameter=name)
    if error["type"] == "json_invalid":
        return FieldError(code=code, detail=f"{detail} The error is at character {path[0]}.", pointer="#")
    return FieldError(code=code, detail=detail, pointer=json_pointer(path))


def _is_about_key(path: Sequence[str | int], error: Mapping[str, Any]) -> bool:
    """Return whether the error concerns a key of an object rather than its value.

    Pydantic marks such errors with a last segment `[key]`, which can also be an actual key in the body. The error has
    the key as it was validated, which may be trimmed and composed.
    """
    marked = len(path) > 1 and path[-1] == "[key]"
    return marked and (error.get("input") in (path[-2], composed(path[-2])) or error["type"] == "string_unicode")


def json_pointer(path: Sequence[str | int]) -> str:
    """Return a JSON Pointer as a URI fragment (RFC 6901, section 6)."""
    steps = (str(step)[:MAX_STEP].replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join("/" + quote(step, safe="~!$&'()*+,;=:@?", errors="replace") for step in steps)
