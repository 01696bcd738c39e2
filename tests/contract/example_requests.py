"""The requests that an operation's documentation shows by examples."""

from collections.abc import Iterator
from typing import Any

from tests.contract.documentation import example_of
from tests.contract.operations import Operation, Schema

RequestArguments = dict[str, Any]
"""The arguments of a client's request, other than the method and the URL."""

# Values for parameters without examples. The pages have one record, so that they have links to others.
PLAIN = {"boolean": "true", "integer": "1"}


def requests_of(operation: Operation) -> Iterator[RequestArguments]:
    """Yield a request for each documented body, for each documented value of each parameter, and for each media type of
    a response."""
    bodies = bodies_of(operation)
    yield from bodies
    for parameter in operation.parameters:
        if parameter["in"] in ("query", "header"):
            for value in _values(operation, parameter["schema"]):
                yield bodies[0] | _given(parameter, value, bodies[0])
    for media_type in _answers(operation):
        yield bodies[0] | {"headers": bodies[0].get("headers", {}) | {"Accept": media_type}}


def bodies_of(operation: Operation) -> list[RequestArguments]:
    """Return a request for each documented body; a request without one if there is none."""
    return list(_bodies(operation)) or [{}]


def _bodies(operation: Operation) -> Iterator[RequestArguments]:
    for media_type, media in operation.body.items():
        example = example_of(operation, media)
        if "multipart" in media_type:
            yield {"files": {name: (f"{name}.csv", content) for name, content in example.items()}}
        elif "x-www-form" in media_type:
            yield {"data": example}
        elif "json" in media_type and not isinstance(example, str):
            yield {"json": example, "headers": {"Content-Type": media_type}}
        else:
            yield {"content": example.encode(), "headers": {"Content-Type": media_type}}


def _values(operation: Operation, reference: Schema) -> Iterator[Any]:
    """Yield the values of a parameter in its schema, or the simplest one of its type."""
    schema = operation.resolved(reference)
    named = schema.get("examples") or schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    yield from named
    for part in () if named else (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from _values(operation, part)
    if not named and schema.get("type") in PLAIN:
        yield PLAIN[schema["type"]]


def _given(parameter: dict[str, Any], value: Any, body: RequestArguments) -> RequestArguments:
    if parameter["in"] == "header":
        return {"headers": body.get("headers", {}) | {parameter["name"]: str(value)}}
    return {"params": value if isinstance(value, dict) else {parameter["name"]: value}}


def _answers(operation: Operation) -> Iterator[str]:
    for status, response in operation.responses.items():
        if status[0] == "2":
            yield from response.get("content", {})
