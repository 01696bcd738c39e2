"""How a start that failed is told by the server."""

import asyncio
import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StartupError


class StartupErrors:
    """ASGI middleware: of a `StartupError` the server logs its sentence for the operator, not a traceback; and of a
    start that failed after waiting nothing more, as that was logged."""

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
            if message["type"] == "lifespan.shutdown.failed" and isinstance(error, asyncio.CancelledError):
                message = {**message, "message": ""}
            await send(message)

        await self.app(scope, receive, send_plainly)
