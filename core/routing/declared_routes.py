"""The routes of routers, one by one, for checks on what they match."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.middleware.cors import ALL_METHODS
from starlette.routing import BaseRoute

from core.routing.path_overlap import Token, tokens_of


@dataclass(frozen=True, slots=True)
class DeclaredRoute:
    """One method of a route. `sample` is a path that it matches, and `tokens` describe all of them."""

    method: str
    path: str
    sample: str
    tokens: Sequence[Token]
    regex: re.Pattern[str]
    endpoint: object

    @property
    def name(self) -> str:
        """Return the method and the path, such as `GET /users`."""
        return f"{self.method} {self.path}"


def declared_routes(routes: Sequence[BaseRoute]) -> Iterator[DeclaredRoute]:
    """Yield each method of each route, those of included routers too."""
    for route in iter_route_contexts(routes):
        endpoint = getattr(route, "endpoint", None)
        template = route.path_format or route.path or ""
        tokens = tokens_of(template, route.param_convertors)
        # A mounted app receives any method.
        for method in sorted(route.methods or ALL_METHODS):
            yield DeclaredRoute(method, route.path or "", _sample(route), tokens, route.path_regex, endpoint)


def _sample(route: Any) -> str:
    """Return a path that the route matches, and that no narrower route matches."""
    path: str = route.path_format or route.path
    for name, convertor in route.param_convertors.items():
        filler = next((text for text in _FILLERS if re.fullmatch(convertor.regex, text)), "~")
        path = path.replace(f"{{{name}}}", filler)
    return path


# From values that only the widest path converter takes to values that the narrowest takes.
_FILLERS = ("~/~", "~", "1.5", "1", "00000000-0000-0000-0000-000000000000")
