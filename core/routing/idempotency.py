"""Requests that are sent again with the same `Idempotency-Key`, which the API carries out once.

This follows draft-ietf-httpapi-idempotency-key-header-07.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from core.api import ProblemResponse
from core.errors import Conflict, FieldError, InvalidRequest, Problem
from core.identity import Principal, verify_caller
from core.routing.used_keys import StoredResponse, UsedKey

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

NAME = "Idempotency-Key"
KEY_PATTERN = "^[!-~]([ -~]{0,198}[!-~])?$"
"""A key: printable ASCII characters. The draft requires quotes, which many clients omit; they are part of the key."""

MAX_BODY_BYTES = 64_000
"""The size of the longest response that is kept: a student with the longest names and subjects has about 40 KB."""

# The errors that are the result of an operation. The others concern the caller's rights or the moment, so the same
# request may succeed later.
_RESULTS = frozenset({404, 409, 410, 412, 422})

_CONDITIONS = ("If-Match", "If-None-Match")


class KeyReused(Problem):
    """This `Idempotency-Key` was used before for a different request. Use a new key for each operation, and repeat a
    request only unchanged."""

    status = 422
    title = "Idempotency key reused"


class RequestInProgress(Conflict):
    """A request with this `Idempotency-Key` is still being processed. Wait `Retry-After` seconds, then send the request
    again with the same key."""

    title = "Request in progress"
    documented_headers = {"Retry-After": "Seconds to wait before the next request."}

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class ResponseNotKept(Conflict):
    """The request with this `Idempotency-Key` has been processed before, and its response is not kept. Responses of
    operations on accounts, long ones, and those from before a student was erased permanently are not kept. Read the
    current state; to carry out the operation once more, use a new key."""

    title = "Response not kept"


PROBLEMS = (KeyReused, RequestInProgress, ResponseNotKept)
"""The problems that a request with a key can have, in addition to those of the operation."""

PARAMETER: dict[str, Any] = {
    "name": NAME,
    "in": "header",
    "required": False,
    "description": (
        "A new random value for each operation, such as a UUID. If you send the same request with the same key again "
        "within 24 hours, it is not carried out again: the response is the first one, or 409 if that is not kept."
    ),
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": KEY_PATTERN,
        "examples": ["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    },
}


def carried_out_once(handle: Handler, *, keeps_response: bool) -> Handler:
    """Return a handler that carries out a request with an `Idempotency-Key` once, and then repeats its response.

    Without `keeps_response`, neither the response nor a fingerprint of the body is stored, as either may be secret. A
    repeated request is then rejected.

    The caller has been authorized before, and is verified again after the body has arrived: see `verify_caller`.
    """

    async def handle_once(request: Request) -> Response:
        keys = request.headers.getlist(NAME)
        if not keys:
            return await handle(request)
        key = _checked(keys)
        body = await request.body()
        user = await verify_caller(request)
        parts = [*_parts(request, user), body if keeps_response else b""]
        use = UsedKey.of(user.id or user.username, key, parts, keeps_response=keeps_response)
        if earlier := await use.claim():
            return _repeated(earlier, use)
        async with use.renewing():
            return await _carry_out(request, handle, use)

    return handle_once


def _checked(keys: list[str]) -> str:
    if len(keys) > 1 or not re.fullmatch(KEY_PATTERN, keys[0]):
        detail = "Send one key of 1 to 200 printable ASCII characters, such as a UUID."
        raise InvalidRequest(errors=[FieldError(code="pattern", detail=detail, parameter=NAME)])
    return keys[0]


def _parts(request: Request, user: Principal) -> list[bytes]:
    """Return what must be the same when the request is repeated, apart from the body.

    This includes the role: a response may contain what only the user's former role may read.
    """
    conditions = (", ".join(request.headers.getlist(name)) for name in _CONDITIONS)
    texts = (user.role, request.method, request.scope["path"], *conditions)
    return [request.scope["query_string"], *(text.encode(errors="replace") for text in texts)]


def _repeated(earlier: UsedKey, use: UsedKey) -> Response:
    """Return the response to the earlier request. Raise a problem if it has none, or if it is another request."""
    if earlier.fingerprint != use.fingerprint:
        raise KeyReused
    if earlier.claimed_by is not None:
        raise RequestInProgress
    if earlier.response is None:
        raise ResponseNotKept
    return Response(earlier.response.body, earlier.response.status, earlier.response.headers)


async def _carry_out(request: Request, handle: Handler, use: UsedKey) -> Response:
    try:
        response = await handle(request)
    except Problem as problem:
        await _store(ProblemResponse(problem, request.state.request_id), use)
        raise
    except BaseException:
        await use.release()
        raise
    await _store(response, use)
    return response


async def _store(response: Response, use: UsedKey) -> None:
    """Store the result of the operation. Without one, release the key: nothing was changed, or nobody knows."""
    succeeded = response.status_code < 400
    kept = _kept(response) if use.keeps_response and (succeeded or response.status_code in _RESULTS) else None
    if kept or succeeded:
        await use.finish(kept)
    else:
        await use.release()


def _kept(response: Response) -> StoredResponse | None:
    """Return what is stored of a response: None if it is a stream, or too long."""
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or len(body) > MAX_BODY_BYTES:
        return None
    return StoredResponse(status=response.status_code, headers=dict(response.headers), body=body)
