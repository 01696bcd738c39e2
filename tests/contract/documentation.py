"""Contracts on the documentation of a route. Each contract yields a sentence for each violation."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.contract.operations import Operation, Schema

Contract = Callable[[Operation], Iterator[str]]

INTERNAL_FIELDS = {"_id", "revision_id"}
"""The fields that the database adds to a document, and that no client may see."""

IDEMPOTENCY_KEY = "idempotency-key"


def has_operation_id(operation: Operation) -> Iterator[str]:
    """Check that the operationId has the form of a generated client's method: the module and the action."""
    name = operation.spec.get("operationId", "")
    if not re.fullmatch(rf"{operation.module}(-[a-z]+)+", name):
        yield f"the operationId {name!r} does not have the form {operation.module}-do-something"


def has_summary(operation: Operation) -> Iterator[str]:
    """Check that the summary is the first line of the docstring, and not made from the name of the function."""
    summary = operation.spec.get("summary", "")
    made_up = operation.spec.get("operationId", "").partition("-")[2].replace("-", " ").title()
    if summary.strip() == made_up or not re.fullmatch(r"[A-Z][a-z]+ [^\n]+[^.\s]", summary):
        yield "has no docstring that begins with a line such as 'Read a course.'"


def has_one_tag(operation: Operation) -> Iterator[str]:
    """Check that the module's name is the only tag, and that the tag has a description."""
    if operation.spec.get("tags") != [operation.module]:
        yield f"its tags are {operation.spec.get('tags')}, not only the module's name"
    described = {tag["name"] for tag in operation.document.get("tags", []) if tag.get("description")}
    if operation.module not in described:
        yield "its tag has no description"


def requires_a_signed_in_user(operation: Operation) -> Iterator[str]:
    """Check that no route is public, unless the module's exceptions say why."""
    if operation.public:
        yield "is public: if it must be, say why in the module's exceptions"


def documents_protection(operation: Operation) -> Iterator[str]:
    """Check that a protected route is documented as protected."""
    if not operation.public and not operation.spec.get("security"):
        yield "is not documented as protected"


def documents_every_status(operation: Operation) -> Iterator[str]:
    """Check that each status that the framework, core or a declared dependency can answer is documented."""
    for status, why in sorted(dict(_statuses(operation)).items()):
        if status not in operation.responses:
            yield f"does not document {status} ({why})"


def _statuses(operation: Operation) -> Iterator[tuple[str, str]]:
    yield from (("500", "any route"), ("503", "any route"))
    if not operation.public:
        yield "401", "it is protected"
    if operation.roles:
        yield "403", "it needs a role"
    if operation.parameters or operation.body:
        yield "422", "it takes parameters or a body"
    if operation.body:
        yield from (("400", "it has a body"), ("413", "it has a body"))
    if "{" in operation.path:
        yield "404", "it has a path parameter"
    if operation.takes(header=IDEMPOTENCY_KEY):
        yield "409", "it takes an Idempotency-Key"
    if any(parameter["name"] == "cursor" for parameter in operation.parameters):
        yield "404", "it takes a cursor"
    if operation.takes(header="If-Match"):
        yield from (("412", "it takes If-Match"), ("428", "it takes If-Match"))
    if operation.takes(header="If-None-Match"):
        yield ("304" if operation.method == "GET" else "412"), "it takes If-None-Match"


def takes_idempotency_keys(operation: Operation) -> Iterator[str]:
    """Check that each POST of a signed-in user takes an `Idempotency-Key`, and documents its pattern and its misuse."""
    if operation.method != "POST" or operation.public:
        return
    schemas = [one["schema"] for one in operation.parameters if one["name"].lower() == IDEMPOTENCY_KEY]
    if not schemas or "pattern" not in schemas[0]:
        yield "does not take an Idempotency-Key with a pattern"
    if "KeyReused" not in str(operation.responses.get("422")):
        yield "does not document the reuse of an Idempotency-Key"


def documents_errors_as_problems(operation: Operation) -> Iterator[str]:
    """Check that each error is documented as `application/problem+json`, and as nothing else."""
    for status, response in operation.responses.items():
        if status >= "4" and set(response.get("content", {})) != {"application/problem+json"}:
            yield f"documents {status} as something other than application/problem+json"


def documents_headers(operation: Operation) -> Iterator[str]:
    """Check that the headers that clients need are documented."""
    for status, response in operation.responses.items():
        for name in _headers(operation, status):
            if name not in response.get("headers", {}):
                yield f"documents {status} without the header {name}"


def _headers(operation: Operation, status: str) -> Iterator[str]:
    if status in ("304", "412") or (status[0] == "2" and _has_etag(operation)):
        yield "ETag"
    if status == "401":
        yield "WWW-Authenticate"
    if status in ("429", "503"):
        yield "Retry-After"
    if status == "201" and _has_location(operation):
        yield "Location"
    if status[0] == "2" and any(one["name"] == "cursor" for one in operation.parameters):
        yield "Link"
    if operation.spec.get("deprecated"):
        yield from ("Deprecation", "Sunset")


def _has_etag(operation: Operation) -> bool:
    """Return whether a successful response has an ETag."""
    conditional = operation.takes(header="If-Match") or operation.takes(header="If-None-Match")
    return conditional and operation.method != "DELETE"


def _has_location(operation: Operation) -> bool:
    """Return whether a document that the request creates has a URL of its own."""
    below = re.escape(operation.path) + ("" if operation.method == "PUT" else r"/\{[^/]+")
    return any(re.fullmatch(below, path) and "get" in methods for path, methods in operation.document["paths"].items())


def has_examples(operation: Operation) -> Iterator[str]:
    """Check that each parameter, the request body and each JSON response have an example."""
    for parameter in operation.parameters:
        if not parameter.keys() & {"example", "examples"} and not parameter["schema"].get("examples"):
            yield f"has no example of its parameter {parameter['name']}"
    for media_type, media in operation.body.items():
        if example_of(operation, media) is None:
            yield f"has no example of its body as {media_type}"
    for status, response in operation.responses.items():
        for media_type, media in response.get("content", {}).items():
            if "json" in media_type and example_of(operation, media) is None:
                yield f"has no example of its response {status}"


def example_of(operation: Operation, media: dict[str, Any]) -> Any:
    """Return the example that the documentation shows: the given one, or one made from the examples in the schema."""
    for example in media.get("examples", {}).values():
        return example.get("value")
    if "example" in media:
        return media["example"]
    return _example_in(operation, media.get("schema", {}))


def _example_in(operation: Operation, reference: Schema) -> Any:
    schema = operation.resolved(reference)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema or "example" in schema or "default" in schema:
        return schema.get("example", schema.get("const", schema.get("default")))
    if "items" in schema:
        item = _example_in(operation, schema["items"])
        return None if item is None else [item]
    if schema.get("properties"):
        return _object_in(operation, schema)
    choices = [_example_in(operation, one) for one in schema.get("anyOf", []) + schema.get("oneOf", [])]
    return next((one for one in choices if one is not None), None)


def _object_in(operation: Operation, schema: Schema) -> dict[str, Any] | None:
    """Return an example of an object, or None if a required property has none."""
    found = {name: _example_in(operation, one) for name, one in schema["properties"].items()}
    if any(found[name] is None for name in schema.get("required", found)):
        return None
    return {name: example for name, example in found.items() if example is not None}


def hides_internal_fields(operation: Operation) -> Iterator[str]:
    """Check that neither a schema nor an example contains an internal field."""
    for name in sorted(INTERNAL_FIELDS & set(_keys(operation, operation.spec, set()))):
        yield f"exposes {name}"


def _keys(operation: Operation, part: Any, seen: set[str]) -> Iterator[str]:
    """Yield every key below a part of the document; follow each reference once."""
    if isinstance(part, list):
        for item in part:
            yield from _keys(operation, item, seen)
    elif isinstance(part, dict):
        yield from part
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            yield from _keys(operation, operation.resolved(part), seen | {reference})
        for value in part.values():
            yield from _keys(operation, value, seen)


CONTRACTS: tuple[Contract, ...] = (
    has_operation_id,
    has_summary,
    has_one_tag,
    requires_a_signed_in_user,
    documents_protection,
    documents_every_status,
    takes_idempotency_keys,
    documents_errors_as_problems,
    documents_headers,
    has_examples,
    hides_internal_fields,
)


def violations(contract: Contract, operations: list[Operation]) -> list[str]:
    """Return a line for each violation of a contract."""
    return [f"{operation}: {gap}" for operation in operations for gap in contract(operation)]
