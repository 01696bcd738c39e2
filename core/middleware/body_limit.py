"""The size limit of request bodies."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BodyTooLarge

_LIMIT = "body_limit"


def allow_body(request: Request, max_bytes: int) -> None:
    """Set another size limit for the body of this request. Call this before the body is read."""
    request.scope[_LIMIT] = max_bytes


class BodyLimit:
    """ASGI middleware that rejects bodies larger than `max_bytes`, with or without a `Content-Length`.

    It raises `BodyTooLarge` when the app reads the body, so that the app's own error handling creates the response.
    Starlette's own limit would respond in plain text if there is a `Content-Length`.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[_LIMIT] = self.max_bytes
        announced = dict(scope["headers"]).get(b"content-length", b"")
        size = int(announced[:20]) if announced.isdigit() else 0
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message: Message = {} if size > scope[_LIMIT] else await receive()
            received += len(message.get("body", b""))
            if max(size, received) > scope[_LIMIT]:
                raise BodyTooLarge(f"The request body must not exceed {scope[_LIMIT]} bytes.")
            return message

        await self.app(scope, receive_limited, send)
