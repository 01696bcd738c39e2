"""The server's log message for a failed start."""

import asyncio
import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StartupError


class StartupErrors:
    """ASGI middleware that makes the server log the text of a `StartupError` instead of a traceback.

    For a start that failed while it waited for the database, the server logs nothing: `core.operations.lifecycle` has
    already logged the error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            # The framework reports a failed start while it handles the exception that caused it.
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, StartupError):
                message = {**message, "message": str(error)}
            if message["type"] == "lifespan.shutdown.failed" and isinstance(error, asyncio.CancelledError):
                message = {**message, "message": ""}
            await send(message)

        await self.app(scope, receive, send_without_traceback)
