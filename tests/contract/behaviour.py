"""Contracts on the responses of a module's routes. Each contract yields a sentence for each violation."""

import re
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from fastapi.testclient import TestClient
from httpx2 import Response

from tests.contract.documentation import IDEMPOTENCY_KEY
from tests.contract.example_requests import requests_of
from tests.contract.operations import Operation, Schema
from tests.measured import REQUESTS, told

Contract = Callable[[Operation, TestClient], Iterator[str]]

WRONG = "wrong type"
TOO_LARGE = str(2**63)
NO_TAG = "wrong tag"


def refuses_invalid_tokens(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that a route answers 401 without a token or with a forged one, unless it is public."""
    if operation.public:
        return
    for token in ("", "Bearer forged"):
        answer = client.request(operation.method, address(operation), headers={"Authorization": token})
        if answer.status_code != 401 or not is_problem(answer) or "WWW-Authenticate" not in answer.headers:
            yield f"answers {answer.status_code} as {_kind(answer)} to the token {token!r}"


def refuses_wrong_parameters(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that a parameter of the wrong type, or a number that MongoDB cannot store, is a 422 that names it."""
    for parameter in operation.parameters:
        for wrong in _wrong_values(operation, parameter):
            answer = _ask_with(operation, client, parameter, wrong)
            named = [error.get("parameter") for error in answer.json().get("errors", [])] if is_problem(answer) else []
            if answer.status_code != 422 or parameter["name"] not in named:
                yield f"answers {answer.status_code} as {_kind(answer)} to {parameter['name']}={wrong}"


def refuses_unknown_parameters(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that a query parameter that the route does not have is a 422 that names it."""
    answer = client.request(operation.method, address(operation), params={"parameters": "1"})
    errors = answer.json().get("errors", []) if is_problem(answer) else []
    named = [error["code"] for error in errors if error.get("parameter") == "parameters"]
    if answer.status_code != 422 or named != ["extra_forbidden"]:
        yield f"answers {answer.status_code} as {_kind(answer)} to an unknown parameter"


def _ask_with(operation: Operation, client: TestClient, parameter: dict[str, Any], wrong: str) -> Response:
    name, place = parameter["name"], parameter["in"]
    return client.request(
        operation.method,
        address(operation, **{name: wrong} if place == "path" else {}),
        params={name: wrong} if place == "query" else None,
        headers={name: wrong} if place == "header" else None,
    )


def _wrong_values(operation: Operation, parameter: dict[str, Any]) -> Iterator[str]:
    """Yield values that are invalid for the parameter: none if any text is valid."""
    if parameter["name"] in ("If-Match", "If-None-Match"):
        yield NO_TAG
    elif not _takes_any_text(operation, parameter["schema"]):
        yield WRONG
        if parameter["in"] != "header" and _is_integer(operation, parameter["schema"]):
            yield TOO_LARGE


def _is_integer(operation: Operation, reference: Schema) -> bool:
    schema = operation.resolved(reference)
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return schema.get("type") == "integer" or any(_is_integer(operation, part) for part in parts)


def _takes_any_text(operation: Operation, reference: Schema) -> bool:
    schema = operation.resolved(reference)
    if "anyOf" in schema:
        return any(_takes_any_text(operation, one) for one in schema["anyOf"])
    if "items" in schema:
        return _takes_any_text(operation, schema["items"])
    narrowed = "enum" in schema or "const" in schema or "format" in schema
    return schema.get("type") == "string" and not narrowed and bool(re.search(schema.get("pattern", ""), WRONG))


def refuses_a_wrong_body(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that invalid JSON, or JSON of the wrong type, is 422, or 415 if the route takes no JSON."""
    if not operation.body:
        return
    for content in (b"{", b'"wrong type"', b"[1]", b"null"):
        headers = {"Content-Type": "application/json"}
        answer = client.request(operation.method, address(operation), content=content, headers=headers)
        if answer.status_code not in (415, 422) or not is_problem(answer):
            yield f"answers {answer.status_code} as {_kind(answer)} to the body {content.decode()}"


def refuses_an_unknown_encoding(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that a Content-Encoding other than `identity` is 415, with the header Accept-Encoding."""
    for media_type in operation.body:
        for encoding, refused in (("gzip", True), ("identity, br", True), ("Identity", False), ("", False)):
            headers = {"Content-Type": media_type, "Content-Encoding": encoding}
            answer = client.request(operation.method, address(operation), content=b"{", headers=headers)
            if (answer.status_code == 415, answer.headers.get("Accept-Encoding") == "identity") != (refused, refused):
                yield f"answers {answer.status_code} as {_kind(answer)} to {media_type} encoded as {encoding!r}"


def carries_out_a_repeated_request_once(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that a request with the same `Idempotency-Key` has the same response, and that another one is refused."""
    if not operation.takes(header=IDEMPOTENCY_KEY):
        return
    request = next(requests_of(operation))
    headers = {**request.get("headers", {}), IDEMPOTENCY_KEY: token_hex()}
    url, sent = address(operation), {**request, "headers": headers}
    first, again = (client.request(operation.method, url, **sent) for _ in range(2))
    kept = _repeatable(first) == _repeatable(again)
    if not kept and not (first.is_success and _type_of(again) == "/problems/response-not-kept"):
        yield f"answers {again.status_code} to a repeated request that it first answered with {first.status_code}"
    other = client.request(operation.method, url, **sent | {"headers": headers | {"If-None-Match": '"other"'}})
    if first.is_success and _type_of(other) != "/problems/key-reused":
        yield f"answers {other.status_code} to another request with the same Idempotency-Key"


def _repeatable(answer: Response) -> tuple[object, ...]:
    """Return what is equal in the responses to the same request. Errors that are not stored have other request ids."""
    body = re.sub(r'"request_id":"[^"]*"', "", answer.text)
    return answer.status_code, body, *(answer.headers.get(name) for name in ("Content-Type", "ETag", "Location"))


def _type_of(answer: Response) -> str | None:
    return str(answer.json()["type"]) if is_problem(answer) else None


def forbids_caching(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that no response of a protected route may be cached, with or without a valid token."""
    if operation.public:
        return
    reads = operation.method == "GET"
    for method in (operation.method, "HEAD") if reads else (operation.method,):
        for headers in ({"Authorization": "Bearer forged"}, {}) if reads else ({"Authorization": "Bearer forged"},):
            answer = client.request(method, address(operation), headers=headers)
            if answer.headers.get_list("Cache-Control") != ["no-store"]:
                yield f"answers {answer.status_code} to {method} without Cache-Control: no-store"


def announces_deprecation(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that each response of a deprecated route, and of no other, has the headers Deprecation and Sunset."""
    forged = {"Authorization": "Bearer forged"}
    for headers in (forged, {}) if operation.method == "GET" else (forged,):
        answer = client.request(operation.method, address(operation), headers=headers)
        announced = {"deprecation", "sunset"} & set(answer.headers)
        expected = {"deprecation", "sunset"} if operation.spec.get("deprecated") else set()
        if announced != expected:
            yield f"answers {answer.status_code} with the headers {sorted(announced)}, not {sorted(expected)}"


def is_counted(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check that each request is counted under its method and the route's template."""
    before = told(REQUESTS, method=operation.method, route=operation.path)
    client.request(operation.method, address(operation), headers={"Authorization": ""})
    if told(REQUESTS, method=operation.method, route=operation.path) != before + 1:
        yield "is not counted under its method and its template"


def address(operation: Operation, **given: str) -> str:
    """Return the operation's path, with these path parameters, or with the examples of those that are not given."""
    examples = {
        one["name"]: str((one["schema"].get("examples") or ["1"])[0])
        for one in operation.parameters
        if one["in"] == "path"
    }
    return operation.path.format(**{name: quote(value) for name, value in (examples | given).items()})


def is_problem(answer: Response) -> bool:
    """Return whether a response is a problem document with the status of the response."""
    return _kind(answer) == "application/problem+json" and answer.json()["status"] == answer.status_code


def _kind(answer: Response) -> str:
    return answer.headers.get("Content-Type", "nothing")
