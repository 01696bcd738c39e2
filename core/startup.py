"""A failed start, told in one line."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StartupError


class PlainStartupErrors:
    """ASGI middleware: of a `StartupError` the server logs its sentence for the operator, not a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_plainly(message: Message) -> None:
            # The framework reports a failed start while it handles the exception that caused it.
            error = sys.exception()
            if message["type"] == "lifespan.startup.failed" and isinstance(error, StartupError):
                message = {**message, "message": str(error)}
            await send(message)

        await self.app(scope, receive, send_plainly if scope["type"] == "lifespan" else send)
