"""The application factory: combines settings, database and modules into one ASGI application."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from core.api import install_error_handlers
from core.conflicts import check_conflicts
from core.database import DatabaseAvailability
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
from core.module import Module, in_order
from core.openapi import DESCRIPTION, install_document_route, install_openapi
from core.operations import JobRunner, configure_logs, running, service, telemetry, tracer_provider_for
from core.pages import install_docs, install_problem_pages
from core.registry import configure, discover, get_authenticator
from core.routing import CheckedRoute, install_route_table
from core.settings import Settings
from core.version import VERSION

if TYPE_CHECKING:
    from core.operations.trace_export import Traces

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, modules: Sequence[Module] | None = None) -> FastAPI:
    """Return the application. By default its settings come from the environment and its modules from `modules/`.

    Raise `StartupError` if the settings or a module are invalid. The database is opened when the app starts, not here.
    """
    if settings is None:
        settings, modules = configure(modules)
    modules = discover(disabled=settings.modules_disabled) if modules is None else modules
    settings.read_parts([module.settings for module in modules if module.settings])
    parts = (*modules, service)
    app = _fastapi_app(settings, modules, parts)
    app.state.settings = settings
    app.state.authenticator = get_authenticator(modules)
    app.state.availability = DatabaseAvailability()
    app.state.health_checks = {module.name: module.health_check for module in modules if module.health_check}
    app.state.jobs = [JobRunner(module.name, job) for module in modules for job in module.jobs]
    install_error_handlers(app)
    install_openapi(app, settings)
    if settings.docs == "on":
        install_document_route(app)
        install_docs(app)
        install_problem_pages(app, modules)
    check_conflicts(parts, reserved=app.routes)
    for module in modules:
        _include(app, module, app.state.availability)
    _include(app, service)
    install_route_table(app)
    _add_middleware(app, settings)
    return app


def _fastapi_app(settings: Settings, modules: Sequence[Module], parts: Sequence[Module]) -> FastAPI:
    """Return the FastAPI application without routes."""
    traces = tracer_provider_for(settings)
    app = Application(
        title="Student Management API",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=_lifespan(settings, modules, traces),
        telemetry=telemetry(traces),
        openapi_tags=[{"name": part.name, "description": part.description} for part in in_order(parts)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = CheckedRoute  # of the pages; the routers of modules have classes of their own
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware. The last one added is the outermost."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    install_cors(app, settings)
    if settings.allowed_hosts:
        app.add_middleware(TrustedHost, allowed=settings.allowed_hosts)
    app.add_middleware(RequestContextMiddleware, settings=settings)
    app.add_middleware(StartupErrors)


def _include(app: FastAPI, module: Module, availability: DatabaseAvailability | None = None) -> None:
    """Add the routes of a module; with `availability`, reject requests to them while the database is unavailable."""
    for router in (module.public_router, module.router):
        for route in router.with_tag(module.name) if router else ():
            if availability:
                # When the disk is full, users can still sign in to read: signing in writes little.
                writes = router is module.router and route.methods != {"GET"}
                route.app = DatabaseGate(route.app, availability, writes=writes)
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
            log.info(
                "METRICS_TOKEN is not set: /metrics accepts only direct requests from this machine, not via a proxy"
            )
        async with AsyncExitStack() as stack:
            stack.enter_context(workers.leave_at_end())
            if traces:
                await stack.enter_async_context(traces.export())
            await stack.enter_async_context(running(app, settings, modules, app.state.availability))
            yield

    return lifespan
