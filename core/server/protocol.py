"""The protocol of a client connection: it rejects invalid HTTP and applies size limits and timeouts.

uvicorn's own protocol has no such limits. Rejected requests get their response from the app, like all others: the
problem is passed in the request's scope.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.errors import HttpProblem, Problem, Unavailable
from core.middleware import EXEMPT_PATHS, REJECTION
from core.server.connection_timer import tick_each_second
from core.server.limits import SPARE_CONNECTIONS
from core.server.request_head import MAX_HEAD, check_framing, check_upgrade, problem_of, too_large
from core.server.transport import LingeringTransport
from core.settings import MAX_CONNECTIONS

# The maximum number of pipelined requests that wait on one connection.
MAX_PIPELINED = 100

# Timeouts, in seconds: for the head of a request; for its body, where every BODY_RATE bytes add a second, up to
# BODY_SECONDS; for a client that does not read its response; for a client that keeps sending after a rejected request.
HEAD_SECONDS = 10
BODY_SECONDS = 10
BODY_RATE = 500
RESPONSE_SECONDS = 120
LINGER_SECONDS = 30

# What the connection waits for: the next request, the head of a request, or its body. In the state _DISCARD, it
# discards all further input.
_NEXT, _HEAD, _BODY, _DISCARD = range(4)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with limits and timeouts.

    `uvicorn main:app --http core.server.protocol:Connection` uses it, too.
    """

    transport: LingeringTransport  # type: ignore[assignment]  # it has a transport's methods, but not its type

    def __init__(self, *arguments: Any, max_connections: int = MAX_CONNECTIONS, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.max_connections = max_connections
        self.over_limit = False
        self.awaited = _NEXT
        self.seconds_left: float = HEAD_SECONDS  # until the timeout
        self.received = 0  # size of the data being parsed, in bytes
        self.unparsed = 0  # bytes received earlier for which the parser has called no callback yet
        self.keep_alive = False  # whether the connection stays open after the current response

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self.loop, self._keep_reading)))
        tick_each_second(self.server_state, self.loop)
        excess = len(self.connections) - self.max_connections
        self.over_limit = excess > 0
        if excess > SPARE_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        while data and self.awaited != _DISCARD:
            data = self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        """Parse data and return the rest that is still to be parsed."""
        self.received = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # ignored: the rest is HTTP, too (RFC 9110, section 7.8)
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._reject(problem_of(error))
            return b""
        if self.awaited in (_HEAD, _BODY):
            self.unparsed += self.received
            if self.unparsed > MAX_HEAD:
                self._reject(too_large())
        return b""

    # Callbacks of the parser; an exception in one of them stops the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await(_HEAD, HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._check_head()
        super().on_headers_complete()
        self.headers = []  # trailers must not be merged into the headers (RFC 9110, section 6.5.1)
        if self.over_limit and self.scope["path"] not in EXEMPT_PATHS:
            self._mark(Unavailable("The server has reached its limit of simultaneous connections."))
        # A response that starts before the request is read completely has the header `Connection: close`.
        self.keep_alive, self.cycle.keep_alive = self.cycle.keep_alive and not self.over_limit, False
        self._await(_BODY, BODY_SECONDS)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._await(_BODY, min(BODY_SECONDS, self.seconds_left + len(body) / BODY_RATE))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self.keep_alive
        self._await(_NEXT, RESPONSE_SECONDS)

    def on_response_complete(self) -> None:
        # The same as in uvicorn, without the timer that uvicorn sets after each response.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.awaited == _NEXT and not self.flow.write_paused:
            self.seconds_left = self.timeout_keep_alive

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _await(self, awaited: int, seconds: float) -> None:
        self.awaited, self.seconds_left, self.unparsed = awaited, seconds, -self.received

    def _check_head(self) -> None:
        self.scope["method"] = self.parser.get_method().decode()
        if self.received + max(self.unparsed, 0) > MAX_HEAD and self._head_size() > MAX_HEAD:
            raise too_large()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Unavailable(f"At most {MAX_PIPELINED} requests can be pipelined on one connection.")
        check_framing(self.headers, self.parser.get_http_version())
        if self.parser.should_upgrade():
            check_upgrade(self.headers)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    # Rejected requests.

    def _mark(self, problem: Problem) -> None:
        cast("dict[str, Any]", self.cycle.scope)[REJECTION] = problem

    def _reject(self, problem: Problem) -> None:
        """Respond with a problem, after the responses to earlier requests, and discard all further input."""
        if self.awaited != _BODY:
            self._respond(problem)
        elif not self.cycle.response_started:  # otherwise the app's response continues
            self._mark(problem)
            self.cycle.message_event.set()  # wakes up the app if it waits for the body
        self._await(_DISCARD, RESPONSE_SECONDS)

    def _respond(self, problem: Problem) -> None:
        """Pass the app a substitute for the unreadable request, without a body and marked with the problem."""
        if self.awaited != _HEAD:
            self.on_message_begin()
        method = self.scope.get("method", "-")
        self.url = b"/"
        super().on_headers_complete()
        self.scope["method"] = method
        self._mark(problem)
        self.cycle.more_body = self.cycle.keep_alive = False

    # Timeouts.

    def tick(self) -> None:
        """Count down the timeout by one second, if the connection is waiting for its client."""
        if self._is_waiting():
            self.seconds_left -= 1
            if self.seconds_left < 0:
                self._time_out()

    def _is_waiting(self) -> bool:
        """Return whether the connection waits for the client, not for the app."""
        if self.transport.is_closing() or self.flow.write_paused:
            return True
        if self.awaited == _NEXT:
            return self.cycle is None or self.cycle.response_complete
        return self.awaited != _DISCARD and not self.flow.read_paused

    def _time_out(self) -> None:
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
        elif self.awaited == _NEXT:
            self.transport.hang_up()
        else:
            self._reject(HttpProblem(408, "The request was not received in time."))

    def pause_writing(self) -> None:
        super().pause_writing()
        self.seconds_left = RESPONSE_SECONDS

    def _keep_reading(self) -> bool:
        """Return whether unread input remains when the connection closes; if so, keep reading and discard it."""
        if self.awaited == _NEXT:
            self.seconds_left = RESPONSE_SECONDS
            return False
        self._await(_DISCARD, LINGER_SECONDS)
        self.flow.resume_reading()
        return True

    def shutdown(self) -> None:
        self.keep_alive = False
        super().shutdown()
        if self.transport.is_closing():
            self.transport.hang_up()
