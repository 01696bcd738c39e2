"""Wires settings, database and modules into one ASGI application."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from core.api import install_error_handlers
from core.conflicts import check_conflicts
from core.database import Outage
from core.metrics import workers
from core.middleware import (
    Application,
    BodyLimit,
    DatabaseGate,
    HeadAsGet,
    RequestContextMiddleware,
    StartupErrors,
    TrustedHost,
    install_cors,
)
from core.module import Module
from core.openapi import install_openapi
from core.operations import configure_logs, running, service, telemetry, traces_asked_for
from core.pages import install_docs, install_problem_pages
from core.registry import configure, discover, get_authenticator
from core.routing import install_route_table
from core.settings import Settings
from core.version import VERSION

if TYPE_CHECKING:
    from core.operations.trace_export import Traces

log = logging.getLogger(__name__)

DESCRIPTION = """\
Student records behind per-user keys: register, sign in, and keep roll numbers, names, branches and marks.

Every error is an `application/problem+json` document (RFC 9457). Every answer carries an `X-Request-ID` and
`Cache-Control: no-store`, errors too.

**Roles.** Each operation says which role it needs, also as `x-required-role`: a *viewer* may read, a *teacher* may also
write, an *admin* may do all. Sign in with `POST /login`, and send the token as `Authorization: Bearer …`.

**Limits.** A body has at most as many bytes as its operation says, also as `x-max-bytes`. A list comes in pages, of 100
records unless `limit` says otherwise; the `Link` header leads on. An answer 429 or 503 says in `Retry-After` how many
seconds to wait.

The sample calls expect the service at http://127.0.0.1:8000 and a token in `$TOKEN`.
"""


def create_app(settings: Settings | None = None, modules: Sequence[Module] | None = None) -> FastAPI:
    """The application. By default its settings come from the environment and its modules from `modules/`.

    Raises `StartupError` when either cannot be used. The database is opened when the app starts, not here.
    """
    if settings is None:
        settings, modules = configure(modules)
    modules = discover(disabled=settings.modules_disabled) if modules is None else modules
    settings.read_parts([module.settings for module in modules if module.settings])
    parts = (*modules, service)
    app = _bare(settings, modules, parts)
    app.state.settings = settings
    app.state.authenticator = get_authenticator(modules)
    app.state.outage = Outage()
    app.state.health_checks = {module.name: module.health_check for module in modules if module.health_check}
    install_error_handlers(app)
    install_openapi(app, settings)
    if settings.docs == "on":
        install_docs(app)
        install_problem_pages(app, modules)
    check_conflicts(parts, reserved=app.routes)
    for module in modules:
        _include(app, module, app.state.outage)
    _include(app, service)
    install_route_table(app)
    _add_layers(app, settings)
    return app


def _bare(settings: Settings, modules: Sequence[Module], parts: Sequence[Module]) -> FastAPI:
    """The framework's application, without routes."""
    traces = traces_asked_for(settings)
    return Application(
        title="Student Management API",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=_lifespan(settings, modules, traces),
        telemetry=telemetry(traces),
        openapi_tags=[{"name": part.name, "description": part.description} for part in parts],
        openapi_url="/openapi.json" if settings.docs == "on" else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )


def _add_layers(app: FastAPI, settings: Settings) -> None:
    """What a request passes before its route. The last one added is the outermost."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    install_cors(app, settings)
    if settings.allowed_hosts:
        app.add_middleware(TrustedHost, allowed=settings.allowed_hosts)
    app.add_middleware(RequestContextMiddleware, settings=settings)
    app.add_middleware(StartupErrors)


def _include(app: FastAPI, module: Module, outage: Outage | None = None) -> None:
    """Add the routes of a module; in an `outage` they are refused."""
    for router in (module.public_router, module.router):
        for route in router.tagged(module.name) if router else ():
            if outage:
                # On a full disk, people can still sign in to read: what that writes is little.
                writes = router is module.router and route.methods != {"GET"}
                route.app = DatabaseGate(route.app, outage, writes=writes)
            app.router.routes.append(route)


def _lifespan(
    settings: Settings, modules: Sequence[Module], traces: "Traces | None"
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logs(settings.log_level, settings.log_format)
        for warning in settings.warnings() if settings.environment == "production" else ():
            log.warning(warning)
        if settings.metrics_token is None:
            log.info("METRICS_TOKEN is not set: /metrics answers callers on this machine only, and through no proxy.")
        async with AsyncExitStack() as stack:
            stack.enter_context(workers.present())
            if traces:
                await stack.enter_async_context(traces.sent())
            await stack.enter_async_context(running(app, settings, modules, app.state.outage))
            yield

    return lifespan
