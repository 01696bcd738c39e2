"""Contracts on the errors of invalid values: each has a declared code, and a message in the project's own words."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ErrorType

from tests.contract.behaviour import address, is_problem
from tests.contract.documentation import example_of
from tests.contract.example_requests import RequestArguments
from tests.contract.operations import Operation

# Every value that a message of pydantic may contain.
_CONTEXT: dict[str, Any] = {
    **dict.fromkeys(("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "actual_length"), 7),
    **dict.fromkeys(
        ("max_digits", "decimal_places", "whole_digits", "tz_expected", "tz_actual", "expected_version"), 7
    ),
    **dict.fromkeys(("field_type", "pattern", "expected", "error", "class_name", "class", "discriminator", "tag"), "x"),
    **dict.fromkeys(("expected_tags", "expected_schemas", "expected_schemes", "method_name", "attribute"), "x"),
    **dict.fromkeys(("encoding", "encoding_error"), "x"),
}

LIBRARY_ERRORS = {kind: PydanticKnownError(kind, _CONTEXT) for kind in get_args(ErrorType)}
"""An error of each type that pydantic has."""

_OF_LIBRARIES = (
    *(re.sub(r"\\\{\w+\\\}", ".*", re.escape(error.message_template)) for error in LIBRARY_ERRORS.values()),
    # Of pydantic's functions, email-validator, Starlette's forms, json and csv.
    r"Value error.*|Assertion failed.*|value is not a valid.*|.*(The email address|An email address|domain name).*",
    r".*[Mm]aximum (size|number) of.*|.*(Invalid multipart|Content-Disposition|boundary).*",
    r".*(Expecting|Extra data|Unterminated|Invalid control|delimiter expected|unexpected end|literal).*",
)
_OF_A_LIBRARY = re.compile("|".join(f"(?:{pattern})" for pattern in _OF_LIBRARIES), re.DOTALL)

NO_TEXT = "\ud800"  # JSON with it is refused as a whole
_TEXTS = ("", " ", "x", "a b", "-1", "1.5", "9" * 400, "x" * 2100, "a\0b", "NaN", "true", "2026-13-45", "$x.y", ",:,")
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "x" * 300,
    NO_TEXT,
    "a\nb",
    [],
    [None],
    {},
    {"a.b": "x"},
    {"$": -1},
)


def is_of_a_library(sentence: str) -> bool:
    """Return whether a sentence, or a part of it, is one of pydantic or of another library."""
    return bool(_OF_A_LIBRARY.fullmatch(sentence))


def explains_wrong_values(operation: Operation, client: TestClient) -> Iterator[str]:
    """Check the errors of each parameter and each field of the body for wrong values of several kinds."""
    declared = {one["code"] for one in client.get("/problems/codes").json()} - {"invalid"}
    for request in _wrong_requests(operation):
        path = request.pop("path", None) or address(operation)
        answer = client.request(operation.method, path, **request)
        if answer.is_server_error:
            yield f"answers {answer.status_code} to {str(request)[:200]}"
        if answer.status_code in (400, 409, 415, 422) and is_problem(answer):
            yield from (f"{gap} for {str(request)[:200]}" for gap in _gaps(answer, declared))


def _gaps(answer: Response, declared: set[str]) -> Iterator[str]:
    problem = answer.json()
    errors = [error for error in problem.get("errors", ()) if isinstance(error, dict)]
    for error in errors:
        if error.get("code") not in declared:
            yield f"returns the undeclared code {error.get('code')}: {error['detail']}"
    for sentence in (problem.get("detail", ""), *(error["detail"] for error in errors)):
        if is_of_a_library(sentence):
            yield f"returns a library's sentence: {sentence}"


def _wrong_requests(operation: Operation) -> Iterator[RequestArguments]:
    names = {place: [one["name"] for one in operation.parameters if one["in"] == place] for place in PLACES}
    for text in _TEXTS:
        for name in names["path"]:
            yield {"path": address(operation, **{name: text or "%"})}
        if names["query"]:
            yield {"params": dict.fromkeys(names["query"], text)}
        if names["header"] and text.isprintable():
            yield {"headers": dict.fromkeys(names["header"], text)}
    if names["query"]:
        yield {"params": {"unknown": "x", "marks.x": "x", "marks.a.b.gte": "x"}}
        yield {"params": [(name, "x") for name in names["query"]] * 2}
    for media_type, media in operation.body.items():
        yield from _wrong_bodies(media_type, example_of(operation, media))


PLACES = ("path", "query", "header")


def _wrong_bodies(media_type: str, example: Any) -> Iterator[RequestArguments]:
    headers = {"Content-Type": media_type}
    for content in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"9" * 5000, b'a,"b', b"%00=%ff&x"):
        yield {"content": content, "headers": headers}
    if "x-www-form" in media_type:
        for text in _TEXTS:
            yield {"data": dict.fromkeys(example, text)}
        yield {"data": {**example, **{f"field{number}": "x" for number in range(200)}}}
    elif isinstance(example, dict) and "json" in media_type:
        for body in _json_bodies(example):
            yield {"content": json.dumps(body), "headers": headers}


def _json_bodies(example: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for value in _VALUES:
        yield dict.fromkeys(example, value)
    texts = [value for value in _VALUES if value != NO_TEXT]
    for values in (texts[:7], texts[7:], [NO_TEXT]):  # not all at once: a response names a limited number of errors
        nested = {f"x{number}": value for number, value in enumerate(values)}
        yield {name: nested for name in example}  # noqa: C420 (no dictionary is changed)
    yield {}
    yield {**example, "unknown": 1}
    yield {f"field{number}": 1 for number in range(200)}
