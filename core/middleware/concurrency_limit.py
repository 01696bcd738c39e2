"""The limit of concurrent requests per process: no more than the process can respond to in time."""

from starlette.types import Message, Receive, Scope

from core.errors import Problem, Unavailable

# Monitoring endpoints, exempt from the limit: they matter most when the service is overloaded.
EXEMPT_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

REJECTION = "rejection"
"""The scope key of the problem with which the connection rejects a request, if any; see `core.server.protocol`."""


class ConcurrencyLimit:
    """A counter of the running requests, with a limit.

    Requests blocked on their client are not counted: those that wait for the request body, and streaming responses
    that wait for the client to disconnect. So slow clients and long streams do not block other requests.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0

    def rejection(self, scope: Scope) -> Problem | None:
        """Return the problem with which to reject a request before it starts, or None."""
        if REJECTION in scope:
            rejection: Problem = scope[REJECTION]
            return rejection
        if self.running >= self.limit and scope["path"] not in EXEMPT_PATHS:
            return Unavailable("The server has reached its limit of concurrent requests.")
        return None

    async def receive(self, scope: Scope, receive: Receive) -> Message:
        """Return the next message from the client of a running request, which is not counted while it waits.

        Raise the problem with which the connection has rejected the request in the meantime, if any.
        """
        self.running -= 1
        try:
            message = await receive()
        finally:
            self.running += 1
        if REJECTION in scope:
            raise scope[REJECTION]
        return message
