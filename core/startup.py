"""The start: the database in the shape that the modules know; and a failed start, told in one line."""

import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.database import Database, open_database
from core.errors import StartupError
from core.migrations import check
from core.module import Module
from core.settings import Settings


def open_service(settings: Settings, modules: Sequence[Module]) -> AbstractAsyncContextManager[Database]:
    """The database with the modules' documents bound to it, their indexes made. Raises `StartupError`, also where the
    database is older or newer than the code."""

    async def prepare(database: Database) -> None:
        await check(database, modules, settings.migration_wait_seconds)
        await database.bind([document for module in modules for document in module.documents])

    return open_database(settings, prepare)


class PlainStartupErrors:
    """ASGI middleware: of a `StartupError` the server logs its sentence for the operator, not a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_plainly(message: Message) -> None:
            # The framework reports a failed start while it handles the exception that caused it.
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, StartupError):
                message = {**message, "message": str(error)}
            await send(message)

        await self.app(scope, receive, send_plainly)
