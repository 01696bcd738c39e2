"""The largest request body that is read."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BodyTooLarge

_LIMIT = "body_limit"


def allow_body(request: Request, max_bytes: int) -> None:
    """Let the body of this request be of another size than most; to be called before it is read."""
    request.scope[_LIMIT] = max_bytes


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
        scope[_LIMIT] = self.max_bytes
        announced = dict(scope["headers"]).get(b"content-length", b"")
        size = int(announced[:20]) if announced.isdigit() else 0
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message: Message = {} if size > scope[_LIMIT] else await receive()
            received += len(message.get("body", b""))
            if max(size, received) > scope[_LIMIT]:
                raise BodyTooLarge(f"The body may have at most {scope[_LIMIT]} bytes.")
            return message

        await self.app(scope, receive_limited, send)
