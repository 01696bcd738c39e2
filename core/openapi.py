"""What the generated documentation says beyond what FastAPI finds out by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

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

Responses = dict[int | str, dict[str, Any]]


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str | None = None
    request_id: str
    errors: list[FieldError] | None = None


def operation_id(route: APIRoute) -> str:
    """`students-create`: reads as a client's method. A trailing `_` only keeps clear of a Python keyword."""
    return f"{route.tags[0] if route.tags else 'service'}-{route.name.rstrip('_').replace('_', '-')}"


def header(name: str, description: str) -> dict[str, Any]:
    """The documentation of one response header, ready to be joined (`|`) with others."""
    return {name: {"description": description, "schema": {"type": "string"}}}


def problem_responses(*problems: type[Problem]) -> Responses:
    """What a route passes as `responses`, so that OpenAPI tells each problem it may answer."""
    responses: Responses = {}
    for problem in sorted(problems, key=lambda problem: problem.status):
        response = responses.setdefault(
            problem.status,
            {
                "description": "",
                "headers": {},
                "content": {
                    PROBLEM_MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/ProblemDetails"},
                        "examples": {},
                    }
                },
            },
        )
        response["description"] = f"{response['description']} {problem.meaning()}".strip()
        for name, text in problem.documented_headers.items():
            response["headers"] |= header(name, text)
        response["content"][PROBLEM_MEDIA_TYPE]["examples"][problem.__name__] = {"value": _example(problem)}
    return responses


def _example(problem: type[Problem]) -> dict[str, Any]:
    return {
        "type": problem.type_uri(),
        "title": problem.title,
        "status": problem.status,
        "request_id": "b9f3c1a2d4e54f6a8b7c6d5e4f3a2b1c",
    }


# What any route may answer, whatever it does.
ANY_ROUTE = problem_responses(BadRequest, BodyTooLarge, InvalidRequest, InternalError, Unavailable)
PROTECTED_ROUTE = problem_responses(Unauthenticated)


def install_openapi(app: FastAPI) -> None:
    """Let the generated document also say what FastAPI cannot know: see `_complete`."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generate())
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def _complete(document: dict[str, Any]) -> None:
    """Define the problem document, which no route returns as its model, and let each operation's summary be the
    first line of its docstring."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), ProblemDetails.__name__: problem}
    for operations in document["paths"].values():
        for operation in operations.values():
            summary, _, description = operation.pop("description", operation["summary"]).partition("\n")
            operation["summary"] = summary.rstrip(".")
            if description:
                operation["description"] = description.strip()
