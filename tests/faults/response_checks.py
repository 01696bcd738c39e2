"""Checks of a response that hold for every request."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from tests.faults.generated_requests import GeneratedRequest
from tests.faults.wire import Answer

# The further statuses of a request that matches no operation, and the statuses of a request that is not valid HTTP.
NO_OPERATION = {404, 405}
INVALID_HTTP = {400, 414, 431, 501, 505}

METHODS = b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY M-SEARCH".split()

# The most bytes of target and headers together. A server may refuse a longer request before the service sees it.
MAX_HEAD_BYTES = 30_000

CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def response_errors(generated: GeneratedRequest, answer: Answer) -> Iterator[str]:
    """Yield a sentence for each error in the response."""
    if answer.status >= 500 and answer.status != 503:
        yield f"{answer.status} is never allowed"
    if is_malformed(generated) and answer.status in INVALID_HTTP:
        return
    if "x-request-id" not in answer.headers:
        yield f"{answer.status} did not come from the service itself"
        return
    if answer.status not in documented(generated):
        yield f"{answer.status} is not documented"
    if generated.request.method != b"HEAD":
        # The response to a repeated request is that of the first one.
        may_be_repeated = any(name.lower() == b"idempotency-key" for name, _ in generated.request.headers)
        yield from _of_body(answer, may_be_repeated=may_be_repeated)


def documented(generated: GeneratedRequest) -> set[int]:
    """Return the documented statuses: of the operation or, if the request may match another one, of all operations."""
    operation = generated.operation
    if not may_match_another(generated):
        return {int(status) for status in operation.responses}
    operations = [one for path in operation.document["paths"].values() for one in path.values()]
    return NO_OPERATION | {int(status) for one in operations for status in one["responses"]}


def may_match_another(generated: GeneratedRequest) -> bool:
    """Return whether the request may match another operation, or none."""
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(generated.operation.path))
    path = unquote(generated.request.target.partition(b"?")[0].decode("latin-1"))
    same = generated.request.method.decode() == generated.operation.method and re.fullmatch(pattern, path, re.DOTALL)
    return not same or "target" in generated.wrong


def is_malformed(generated: GeneratedRequest) -> bool:
    """Return whether the request is invalid HTTP, so that a server may refuse it unread. (`CONNECT` is for proxies.)"""
    request = generated.request
    return (
        request.method not in METHODS
        or len(replace(request, body=None).raw("")) > MAX_HEAD_BYTES
        or bool(re.search(rb"[^\x21-\x7e]|^[^/]", request.target))
        or any(CONTROLS.search(value) for _, value in request.headers)
        # Servers do not agree whether the new protocol begins before or after the body.
        or (bool(request.body) and any(name.lower() == b"upgrade" for name, _ in request.headers))
    )


def _of_body(answer: Answer, *, may_be_repeated: bool) -> Iterator[str]:
    kind = answer.headers.get("content-type", "")
    if answer.status >= 400 and kind != "application/problem+json":
        yield f"an error with the media type {kind!r}"
    elif answer.status >= 400:
        yield from _of_problem(answer, may_be_repeated=may_be_repeated)
    elif kind == "application/json":
        try:
            json.loads(answer.body, parse_constant=_refuse)
        except ValueError as error:
            yield f"invalid JSON: {error}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not valid")


def _of_problem(answer: Answer, *, may_be_repeated: bool) -> Iterator[str]:
    problem = json.loads(answer.body)
    is_same = may_be_repeated or problem.get("request_id") == answer.headers["x-request-id"]
    if problem.get("status") != answer.status or not is_same:
        yield "a problem document of another response"
    if not (problem.get("type") and problem.get("title")):
        yield "a problem document without type or title"
    if answer.status in (429, 503) and "retry-after" not in answer.headers:
        yield f"{answer.status} without Retry-After"
    if problem.get("detail") == "The database is not responding.":
        yield "the database was available, but is said not to answer"
