"""The router of what needs a signed-in user."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from core.identity import authenticated, current_user
from core.openapi import PROTECTED_ROUTE


class _ProtectedRoute(APIRoute):
    """Authenticates before anything else: the framework would first read and check the body, for strangers too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_authenticated(request: Request) -> Response:
            await authenticated(request)
            return await handle(request)

        return handle_authenticated


class ProtectedRouter(APIRouter):
    """An `APIRouter` whose routes all need a signed-in user, and say so in OpenAPI."""

    def __init__(self, *, prefix: str = "") -> None:
        super().__init__(
            prefix=prefix,
            route_class=_ProtectedRoute,
            dependencies=[Depends(current_user)],
            responses=PROTECTED_ROUTE,
        )
