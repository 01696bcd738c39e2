"""What is wrong with an answer, whatever was asked."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from tests.faults.inventing import Invented
from tests.faults.wire import Answer

# What any server may answer to a request that leads to no operation, or that is not HTTP as it should be.
ANYWHERE = {404, 405}
NOT_HTTP = {400, 414, 431, 501, 505}

METHODS = b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY M-SEARCH".split()

# Of address and headers together; a server may refuse what is longer before anybody looks at it.
LONGEST_HEAD = 30_000

CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def faults(invented: Invented, answer: Answer) -> Iterator[str]:
    """Sentences on what the service should not have answered."""
    if answer.status >= 500 and answer.status != 503:
        yield f"{answer.status} is never right"
    if is_malformed(invented) and answer.status in NOT_HTTP:
        return
    if "x-request-id" not in answer.headers:
        yield f"{answer.status} did not come from the service itself"
        return
    if answer.status not in documented(invented):
        yield f"{answer.status} is not documented"
    if invented.request.method != b"HEAD":
        yield from _of_body(answer)


def documented(invented: Invented) -> set[int]:
    """The statuses that may come; of all operations together where the request may be another's."""
    operation = invented.operation
    if not is_stray(invented):
        return {int(status) for status in operation.responses}
    operations = [one for path in operation.document["paths"].values() for one in path.values()]
    return ANYWHERE | {int(status) for one in operations for status in one["responses"]}


def is_stray(invented: Invented) -> bool:
    """Whether the request may be one of another operation, or of none."""
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(invented.operation.path))
    path = unquote(invented.request.target.partition(b"?")[0].decode("latin-1"))
    same = invented.request.method.decode() == invented.operation.method and re.fullmatch(pattern, path, re.DOTALL)
    return not same or "target" in invented.wrong


def is_malformed(invented: Invented) -> bool:
    """Whether the request is no HTTP, so that a server need not even look at it. (`CONNECT` is for proxies.)"""
    request = invented.request
    return (
        request.method not in METHODS
        or len(replace(request, body=None).raw("")) > LONGEST_HEAD
        or bool(re.search(rb"[^\x21-\x7e]|^[^/]", request.target))
        or any(CONTROLS.search(value) for _, value in request.headers)
        # Whether the new protocol begins before or after the body, servers do not agree.
        or (bool(request.body) and any(name.lower() == b"upgrade" for name, _ in request.headers))
    )


def _of_body(answer: Answer) -> Iterator[str]:
    kind = answer.headers.get("content-type", "")
    if answer.status >= 400 and kind != "application/problem+json":
        yield f"an error as {kind!r}"
    elif answer.status >= 400:
        yield from _of_problem(answer)
    elif kind == "application/json":
        try:
            json.loads(answer.body, parse_constant=_refuse)
        except ValueError as error:
            yield f"no JSON: {error}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is none")


def _of_problem(answer: Answer) -> Iterator[str]:
    problem = json.loads(answer.body)
    if problem.get("status") != answer.status or problem.get("request_id") != answer.headers["x-request-id"]:
        yield "a problem document of another answer"
    if not (problem.get("type") and problem.get("title")):
        yield "a problem document without type or title"
    if answer.status in (429, 503) and "retry-after" not in answer.headers:
        yield f"{answer.status} without Retry-After"
    if problem.get("detail") == "The database does not answer.":
        yield "the database was there, and was said not to answer"
