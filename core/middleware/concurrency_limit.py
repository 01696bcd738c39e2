"""Which requests are worked on: not more at once than a process can answer in time."""

from starlette.types import Message, Receive, Scope

from core.errors import Problem, Unavailable

# Asked by whoever looks after the process, most of all when there is too much to do.
ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})

REFUSAL = "refusal"
"""Where in its scope a request has the problem that it is refused with, if the connection found one; see
`core.server.protocol`."""


class ConcurrencyLimit:
    """Counts the requests that are worked on. One that waits for its client is not among them: for its body, or, while
    a stream is sent, for the client to go. So neither slow clients nor long streams keep others out."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.at_work = 0

    def refusal(self, scope: Scope) -> Problem | None:
        """The problem to answer at once, before a request is begun."""
        if REFUSAL in scope:
            refusal: Problem = scope[REFUSAL]
            return refusal
        if self.at_work >= self.limit and scope["path"] not in ALWAYS:
            return Unavailable("There are as many requests under way as this server works on at once.")
        return None

    async def receive(self, scope: Scope, receive: Receive) -> Message:
        """What the client sends next, for a request that is worked on. Raises the problem that it meanwhile is refused
        with."""
        self.at_work -= 1
        try:
            message = await receive()
        finally:
            self.at_work += 1
        if REFUSAL in scope:
            raise scope[REFUSAL]
        return message
