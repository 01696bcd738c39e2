"""The check of the `Host` header against the allowed names: clients can forge it, and links in responses contain it.

Starlette's TrustedHostMiddleware is not used, because it responds in plain text.
"""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from core.api import ProblemResponse
from core.errors import BadRequest

# Monitoring calls these endpoints by IP address; their responses do not contain the name.
_PROBES = ("/healthz", "/readyz")

_PORT = re.compile(r":\d*\Z")


class TrustedHost:
    """ASGI middleware that responds with 400 to a `Host` that is not allowed.

    An allowed name is a host such as `api.example.com`, or `*.example.com` for all its subdomains.
    """

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
        problem = BadRequest("The Host header is not a name of this service.")
        await ProblemResponse(problem, scope["state"]["request_id"])(scope, receive, send)

    def _is_allowed(self, hosts: Sequence[str]) -> bool:
        if len(hosts) != 1:
            return False
        labels = _PORT.sub("", hosts[0].lower()).split(".")
        wildcards = {".".join(["*", *labels[start:]]) for start in range(1, len(labels))}
        return not self.names.isdisjoint(wildcards | {".".join(labels)})
