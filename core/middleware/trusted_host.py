"""Which names the service answers to: links in answers are made of the `Host` header, which anyone can invent.

Starlette's TrustedHostMiddleware is not used: it answers in plain text.
"""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from core.api import ProblemResponse
from core.errors import BadRequest

# Asked by address, by whoever looks after the process; nothing in their answers is made of the name.
_PROBES = ("/healthz", "/readyz")

_PORT = re.compile(r":\d*\Z")


class TrustedHost:
    """ASGI middleware that answers 400 to a `Host` other than those allowed: `api.example.com`, or `*.example.com` for
    all below that name."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self.app = app
        self.names = {name.lower() for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"] in _PROBES
            or self._is_allowed(Headers(scope=scope).getlist("host"))
        ):
            await self.app(scope, receive, send)
            return
        problem = BadRequest("The Host header names another service than this one.")
        await ProblemResponse(problem, scope["state"]["request_id"])(scope, receive, send)

    def _is_allowed(self, hosts: Sequence[str]) -> bool:
        if len(hosts) != 1:
            return False
        labels = _PORT.sub("", hosts[0].lower()).split(".")
        above = {".".join(["*", *labels[place:]]) for place in range(1, len(labels))}
        return not self.names.isdisjoint(above | {".".join(labels)})
