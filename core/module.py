"""A feature module's declaration."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import ModuleType

from beanie import Document

from core.command import Command
from core.errors import StartupError
from core.identity import Authenticator
from core.routing import CheckedRoute, ProtectedRoute, ProtectedRouter, PublicRouter
from core.settings import ModuleSettings

HealthCheck = Callable[[], Awaitable[None]]
"""Returns when all is well, and raises whatever is wrong."""

DataCheck = Callable[[], AsyncIterator[str]]
"""Reads all that is stored, without keeping it, and yields a sentence for each thing that is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """What a feature module contributes to the service.

    name           its folder's name, which is also its tag in the API documentation
    description    what the documentation says of the tag
    router         routes that need a signed-in user: a `ProtectedRouter`
    public_router  routes that anyone may call: a `PublicRouter`
    documents      the Beanie documents whose collections it owns
    migrations     the package of its migrations; see `core.migrations`
    settings       the class of its own settings
    authenticator  fills the identity slot; exactly one module of an app declares it
    lifespan       surrounds the time in which the service runs, with the database open: what is before its `yield`
                   happens at the start, what is behind it at the end
    health_check   what `/readyz` also asks
    data_check     what `python -m core check --data` asks
    commands       what `python -m core` can do with the module, from a terminal
    """

    name: str
    description: str = ""
    router: ProtectedRouter | None = None
    public_router: PublicRouter | None = None
    documents: tuple[type[Document], ...] = ()
    migrations: ModuleType | None = None
    settings: type[ModuleSettings] | None = None
    authenticator: Authenticator | None = None
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None
    health_check: HealthCheck | None = None
    data_check: DataCheck | None = None
    commands: tuple[Command, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a router that would let anyone in, or anything."""
        if self.router is not None and not isinstance(self.router, ProtectedRouter):
            raise StartupError(
                f"Module {self.name}: router must be a ProtectedRouter; routes for everyone go into public_router."
            )
        if self.public_router is not None and not isinstance(self.public_router, PublicRouter):
            raise StartupError(f"Module {self.name}: public_router must be a PublicRouter.")
        self._check_routes(self.router, ProtectedRoute)
        self._check_routes(self.public_router, CheckedRoute)

    def _check_routes(self, router: ProtectedRouter | PublicRouter | None, kind: type[CheckedRoute]) -> None:
        """Raise `StartupError` for what was put into a router by ways on which nobody is asked who they are."""
        for route in router.routes if router else ():
            if not isinstance(route, kind):
                path = getattr(route, "path", "a route")
                raise StartupError(
                    f"Module {self.name}: {path} is not guarded. Declare it with the router's own decorators, such as "
                    "@router.get, and include routers of the same kind only."
                )
