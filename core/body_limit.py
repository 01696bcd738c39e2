"""The largest request body that is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BodyTooLarge


class BodyLimit:
    """ASGI middleware that lets no body past `max_bytes` be read, whether its length was announced or not.

    It fails where the app reads, so that the app's own error handling answers; the framework's limit would answer in
    plain text when the length was announced.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        too_large = announced.isdecimal() and int(announced[:20]) > self.max_bytes
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message: Message = {} if too_large else await receive()
            received += len(message.get("body", b""))
            if too_large or received > self.max_bytes:
                raise BodyTooLarge(f"The body may have at most {self.max_bytes} bytes.")
            return message

        await self.app(scope, receive_limited, send)
