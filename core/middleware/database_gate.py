"""Routes that cannot do without the database are refused while it is away."""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.database import Outage


class DatabaseGate:
    """ASGI app of a route that cannot do without the database; one that `writes` cannot do without room there."""

    def __init__(self, app: ASGIApp, outage: Outage, *, writes: bool) -> None:
        self.app = app
        self.outage = outage
        self.writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.outage.use()
        self.outage.check()
        if self.writes:
            self.outage.check_room()
        await self.app(scope, receive, send)
