"""One connection of a client: what is wrong with how it speaks HTTP, or how slowly, is found here.

uvicorn's own protocol has no limit of size or time. The answer to what is refused is the app's, as any other: the
problem stands in the request's scope.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.errors import HttpProblem, Problem, Unavailable
from core.middleware import ALWAYS, REFUSAL
from core.server.connection_timer import tick_each_second
from core.server.limits import SPARE_CONNECTIONS
from core.server.request_head import MAX_HEAD, check_framing, check_offer, problem_of, too_large
from core.server.transport import LingeringTransport
from core.settings import MAX_CONNECTIONS

# The most requests that wait on one connection for those before them.
MAX_PIPELINED = 100

# The patience with a client, in seconds: with the head of a request; with its body, of which each BODY_RATE bytes earn
# a second more; with one that does not take its answer; with one that goes on sending what nobody wants.
HEAD_SECONDS = 10
BODY_SECONDS = 10
BODY_RATE = 500
ANSWER_SECONDS = 120
LINGER_SECONDS = 30

# What the client is awaited for: the next request, its head, its body; or nothing more is read.
_NEXT, _HEAD, _BODY, _DEAF = range(4)


class Connection(HttpToolsProtocol):
    """uvicorn's own protocol, with limits; `uvicorn main:app --http core.server.protocol:Connection` has it, too."""

    transport: LingeringTransport  # type: ignore[assignment]  # it is used as a transport, and is none by type

    def __init__(self, *arguments: Any, max_connections: int = MAX_CONNECTIONS, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.max_connections = max_connections
        self.crowded = False
        self.awaited = _NEXT
        self.patience: float = HEAD_SECONDS
        self.received = 0  # the size of the piece that is being parsed
        self.withheld = 0  # bytes before it of which the parser has made nothing yet
        self.persists = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self.loop, self._stays)))
        tick_each_second(self.server_state, self.loop)
        excess = len(self.connections) - self.max_connections
        self.crowded = excess > 0
        if excess > SPARE_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        while data and self.awaited != _DEAF:
            data = self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        """Parse; what is left to be parsed is answered."""
        self.received = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:  # not taken: what follows is HTTP (RFC 9110, section 7.8)
            return data[offer.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(problem_of(error))
            return b""
        if self.awaited in (_HEAD, _BODY):
            self.withheld += self.received
            if self.withheld > MAX_HEAD:
                self._refuse(too_large())
        return b""

    # Callbacks of the parser; what they raise ends the parsing.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await(_HEAD, HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._check_head()
        super().on_headers_complete()
        self.headers = []  # trailers must not pass for headers (RFC 9110, section 6.5.1)
        if self.crowded and self.scope["path"] not in ALWAYS:
            self._mark(Unavailable("There are as many connections as this server takes at once."))
        # An answer before the request is read says that it is the last one.
        self.persists, self.cycle.keep_alive = self.cycle.keep_alive and not self.crowded, False
        self._await(_BODY, BODY_SECONDS)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._await(_BODY, min(BODY_SECONDS, self.patience + len(body) / BODY_RATE))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.cycle.response_started:
            self.cycle.keep_alive = self.persists
        self._await(_NEXT, ANSWER_SECONDS)

    def on_response_complete(self) -> None:
        # As uvicorn does it, but for the timer that it sets for each answer.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.awaited == _NEXT and not self.flow.write_paused:
            self.patience = self.timeout_keep_alive

    def _should_upgrade_to_ws(self) -> bool:
        return False

    def _await(self, awaited: int, patience: float) -> None:
        self.awaited, self.patience, self.withheld = awaited, patience, -self.received

    def _check_head(self) -> None:
        self.scope["method"] = self.parser.get_method().decode()
        if self.received + max(self.withheld, 0) > MAX_HEAD and self._head_size() > MAX_HEAD:
            raise too_large()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Unavailable(f"At most {MAX_PIPELINED} requests can wait on one connection.")
        check_framing(self.headers, self.parser.get_http_version())
        if self.parser.should_upgrade():
            check_offer(self.headers)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    # Refusals.

    def _mark(self, problem: Problem) -> None:
        cast("dict[str, Any]", self.cycle.scope)[REFUSAL] = problem

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem, after all that was asked before, and read no more."""
        if self.awaited != _BODY:
            self._answer(problem)
        elif not self.cycle.response_started:  # else that is the answer
            self._mark(problem)
            self.cycle.message_event.set()  # the app, where it awaits the body, is told
        self._await(_DEAF, ANSWER_SECONDS)

    def _answer(self, problem: Problem) -> None:
        """Let the app handle a request of which nothing is known, and which is complete."""
        if self.awaited != _HEAD:
            self.on_message_begin()
        method = self.scope.get("method", "-")
        self.url = b"/"
        super().on_headers_complete()
        self.scope["method"] = method
        self._mark(problem)
        self.cycle.more_body = self.cycle.keep_alive = False

    # Time.

    def tick(self) -> None:
        """A second has passed."""
        if self._is_waiting():
            self.patience -= 1
            if self.patience < 0:
                self._give_up()

    def _is_waiting(self) -> bool:
        """Whether it is the client that keeps this connection waiting."""
        if self.transport.is_closing() or self.flow.write_paused:
            return True
        if self.awaited == _NEXT:
            return self.cycle is None or self.cycle.response_complete
        return self.awaited != _DEAF and not self.flow.read_paused

    def _give_up(self) -> None:
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
        elif self.awaited == _NEXT:
            self.transport.hang_up()
        else:
            self._refuse(HttpProblem(408, "The request did not come fast enough."))

    def pause_writing(self) -> None:
        super().pause_writing()
        self.patience = ANSWER_SECONDS

    def _stays(self) -> bool:
        """Whether a client is still to be heard as the connection is closed."""
        if self.awaited == _NEXT:
            self.patience = ANSWER_SECONDS
            return False
        self._await(_DEAF, LINGER_SECONDS)
        self.flow.resume_reading()
        return True

    def shutdown(self) -> None:
        self.persists = False
        super().shutdown()
        if self.transport.is_closing():
            self.transport.hang_up()
