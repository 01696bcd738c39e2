"""Response documentation that routes declare for OpenAPI, in addition to what FastAPI derives."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model

from core.errors import (
    BadRequest,
    BodyTooLarge,
    FieldError,
    InternalError,
    InvalidRequest,
    Problem,
    Unauthenticated,
    Unavailable,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"

REFERENCE = "#/components/schemas/{model}"
"""The reference to a schema of the OpenAPI document."""

REQUEST_ID_EXAMPLE = "b9f3c1a2d4e54f6a8b7c6d5e4f3a2b1c"
ETAG_EXAMPLE = '"dGhpcyBpcyBvcGFxdWUh"'

Responses = dict[int | str, dict[str, Any]]


class ProblemDetails(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str
    errors: list[FieldError] | None = None


def operation_id(route: APIRoute) -> str:
    """Return the operation id of a route, such as `students-create`, which generated clients use as a method name.

    A trailing `_`, which avoids a Python keyword, is removed from the function's name.
    """
    return f"{route.tags[0] if route.tags else 'service'}-{route.name.rstrip('_').replace('_', '-')}"


def header(name: str, description: str, *, example: str | int, always: bool = False) -> dict[str, Any]:
    """Return the documentation of one response header, to be combined (`|`) with others. `always` states that every
    such response carries the header."""
    schema = {"type": "integer", "minimum": 0} if isinstance(example, int) else {"type": "string"}
    documented = {"description": description, "schema": schema, "example": example}
    return {name: documented | {"required": True} if always else documented}


# The problems that any route can return.
_COMMON_PROBLEMS: tuple[type[Problem], ...] = (BadRequest, BodyTooLarge, InvalidRequest, InternalError, Unavailable)


def problem_responses(*problems: type[Problem], extension: type[BaseModel] | None = None) -> Responses:
    """Return the `responses` of a route that can return these problems, for OpenAPI. Problems that any route can return
    may be omitted. With `extension`, each of the documents may have these further members."""
    by_status = _by_status([*_COMMON_PROBLEMS, *(problem for problem in problems if problem not in _COMMON_PROBLEMS)])
    statuses = sorted({problem.status for problem in problems})
    return {status: _response(by_status[status], extension) for status in statuses}


def with_problems(responses: Responses, *problems: type[Problem]) -> Responses:
    """Return the `responses` of a route, with further problems that it can return."""
    further: Responses = {status: _response(group) for status, group in _by_status(problems).items()}
    both = further.keys() & responses.keys()
    return {**responses, **further, **{status: _combined(responses[status], further[status]) for status in both}}


def _by_status(problems: Iterable[type[Problem]]) -> dict[int, list[type[Problem]]]:
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    return by_status


def _combined(documented: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Return the documentation of one status whose problems are documented in two parts."""
    combined = {"description": "", "headers": {}, "content": {}, **deepcopy(documented)}
    combined["description"] = f"{combined['description']} {further['description']}".strip()
    for name in combined["headers"].keys() - further["headers"].keys():
        combined["headers"][name].pop("required", None)
    combined["headers"] |= further["headers"]
    media = further["content"][PROBLEM_MEDIA_TYPE]
    known = combined["content"].get(PROBLEM_MEDIA_TYPE, {"examples": {}})
    combined["content"][PROBLEM_MEDIA_TYPE] = media | known | {"examples": known["examples"] | media["examples"]}
    return combined


def _response(problems: Sequence[type[Problem]], extension: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return the documentation of one status and all `problems` with this status."""
    headers: dict[str, Any] = {}
    for problem in problems:
        for name, text in problem.documented_headers.items():
            always = all(name in other.documented_headers for other in problems)
            headers |= header(name, text, example=_HEADER_EXAMPLES[name], always=always)
    examples = {problem.__name__: {"summary": problem.title, "value": _example(problem)} for problem in problems}
    extensions = [extension, *(problem.extension for problem in problems)]
    return {
        "description": " ".join(problem.meaning() for problem in problems),
        "headers": headers,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": _schema(extensions), "examples": examples}},
    }


def _schema(extensions: Iterable[type[BaseModel] | None]) -> dict[str, Any]:
    """Return the schema of a problem document that may have the members of these extensions. `core.openapi` moves it to
    the schemas of the OpenAPI document."""
    found = tuple(dict.fromkeys(one for one in extensions if one))
    if not found:
        return {"$ref": REFERENCE.format(model=ProblemDetails.__name__)}
    name = "".join(one.__name__ for one in found)
    model: type[BaseModel] = create_model(name, __base__=(*found, ProblemDetails), __doc__=found[0].__doc__)
    required = [name for name, field in ProblemDetails.model_fields.items() if field.is_required()]
    return model.model_json_schema(ref_template=REFERENCE, mode="serialization") | {"required": required}


_HEADER_EXAMPLES: dict[str, str | int] = {
    "Allow": "GET, HEAD, POST",
    "ETag": ETAG_EXAMPLE,
    "Retry-After": 1,
    "WWW-Authenticate": 'Bearer error="invalid_token"',
}


def _example(problem: type[Problem]) -> dict[str, Any]:
    return {
        "type": problem.type_uri(),
        "title": problem.title,
        "status": problem.status,
        "request_id": REQUEST_ID_EXAMPLE,
        **problem.example,
    }


ANY_ROUTE = problem_responses(*_COMMON_PROBLEMS)
PROTECTED_ROUTE = problem_responses(Unauthenticated)
