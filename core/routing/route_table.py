"""The lookup of the route for a request, in a table built once; the framework would try each route in turn."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route with path parameters, and the fixed prefix of its path."""

    prefix: str
    route: APIRoute


class RouteTable:
    """ASGI app that replaces the framework's linear search through the routes.

    It leaves everything that is not in the table to `fallback`, the framework's search: other methods, unknown paths,
    mounted apps, and all requests while tracing is on. No two routes of different modules match the same path (see
    `core.conflicts`), so the order of the modules does not matter.
    """

    def __init__(self, fallback: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.fallback = fallback
        self.fixed: dict[tuple[str, str], APIRoute] = {}
        self.variable: dict[str, list[_Entry]] = defaultdict(list)
        for route in routes:
            if isinstance(route, APIRoute):
                self._add(route)

    def _add(self, route: APIRoute) -> None:
        for method in route.methods or ():
            if route.param_convertors:
                self.variable[method].append(_Entry(route.path_format.partition("{")[0], route))
            else:
                self.fixed[method, route.path_format] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and scope.get("fastapi.telemetry") is None:
            found = self._find(scope["method"], scope["path"].removeprefix(scope.get("root_path", "")))
        if found is None:
            await self.fallback(scope, receive, send)
            return
        route, parameters = found
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, parameters
        await route.app(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[APIRoute, dict[str, Any]] | None:
        if route := self.fixed.get((method, path)):
            return route, {}
        for entry in self.variable.get(method, ()):
            if path.startswith(entry.prefix) and (match := entry.route.path_regex.match(path)):
                convertors = entry.route.param_convertors
                return entry.route, {name: convertors[name].convert(text) for name, text in match.groupdict().items()}
        return None


def install_route_table(app: FastAPI) -> None:
    """Look up the routes that the app has by now in a table. Private to FastAPI, see ADR 12: `middleware_stack`."""
    app.router.middleware_stack = RouteTable(app.router.middleware_stack, app.routes)
