"""The context of every request: its id, its settings, its access log line, and the response to unhandled errors."""

import asyncio
import logging
import re
import secrets
from functools import partial
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api import ProblemResponse
from core.errors import InternalError, Problem, Unavailable
from core.metrics import requests
from core.middleware.client_address import RequestContext, client_address, use_request_context
from core.middleware.concurrency_limit import ConcurrencyLimit
from core.middleware.security_headers import security_headers
from core.settings import Settings, use_settings

access_log = logging.getLogger("access")
error_log = logging.getLogger(__name__)

_REQUEST_ID = b"x-request-id"
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestContextMiddleware:
    """The outermost ASGI middleware of the service.

    It runs inside the framework's own handler of unhandled errors, which supports neither problem documents nor request
    ids.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.concurrency_limit = ConcurrencyLimit(settings.max_concurrent_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        use_settings(self.settings)
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        requests.begin()
        started = perf_counter()
        request_id = _request_id(scope)
        address = client_address(scope, self.settings.trusted_proxies)
        use_request_context(RequestContext(request_id=request_id, address=address))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                announced = getattr(scope.get("route"), "deprecation_headers", ())
                headers = [*message["headers"], (_REQUEST_ID, request_id.encode()), *announced]
                message["headers"] = [*headers, *security_headers(scope, headers)]
            await send(message)

        rejection = self.concurrency_limit.rejection(scope)
        self.concurrency_limit.running += 1
        try:
            app = ProblemResponse(rejection, request_id) if rejection else self.app
            await app(scope, partial(self.concurrency_limit.receive, scope, receive), send_with_headers)
        except ClientDisconnect:
            pass  # there is no client left to respond to
        except (Exception, asyncio.CancelledError) as error:
            problem = _problem_of(error, request_id)
            if status:  # the response has started and can only be aborted
                raise
            await ProblemResponse(problem, request_id)(scope, receive, send_with_headers)
        finally:
            self.concurrency_limit.running -= 1
            requests.observe(scope, status, perf_counter() - started)
            if access_log.isEnabledFor(logging.INFO):
                _log(_access_fields(scope, status, started) | {"address": address})


def _problem_of(error: BaseException, request_id: str) -> Problem:
    """Return the problem for an unhandled error. Log the error, unless it comes from the server's shutdown."""
    if isinstance(error, asyncio.CancelledError):  # the server shuts down, and its grace period is over
        return Unavailable("The service shut down before the request was complete.")
    error_log.exception("Unhandled error", extra={"fields": {"id": request_id}})
    return InternalError()


def _request_id(scope: Scope) -> str:
    """Return the client's own request id if it is safe to use in headers and logs, otherwise a new one."""
    for name, value in scope["headers"]:
        if name == _REQUEST_ID and (given := _ACCEPTABLE_ID.fullmatch(value)):
            return given.group().decode()
    return secrets.token_hex(16)


def _log(fields: dict[str, object]) -> None:
    """Write a line to the access log, without the cost of looking up the calling line of code."""
    access_log.handle(
        access_log.makeRecord(access_log.name, logging.INFO, __file__, 0, "request", (), None, extra={"fields": fields})
    )


def _access_fields(scope: Scope, status: int, started: float) -> dict[str, object]:
    """Return the fields of an access log line.

    They contain the route's template instead of the path, and no query: both may contain personal data.
    """
    return {
        "id": scope["state"]["request_id"],
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "ms": round((perf_counter() - started) * 1000, 1),
        "user": scope["state"].get("user"),
    }
