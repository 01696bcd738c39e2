"""Rejection of requests that need the database while it is unavailable."""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.database import DatabaseAvailability


class DatabaseGate:
    """ASGI app around a route that needs the database; with `writes`, the route also needs free disk space there."""

    def __init__(self, app: ASGIApp, availability: DatabaseAvailability, *, writes: bool) -> None:
        self.app = app
        self.availability = availability
        self.writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.availability.make_current()
        self.availability.check_reachable()
        if self.writes:
            self.availability.check_disk_space()
        await self.app(scope, receive, send)
