"""Rejection of requests that need the database while it is unavailable."""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.database import Outage


class DatabaseGate:
    """ASGI app around a route that needs the database; with `writes`, the route also needs free disk space there."""

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
