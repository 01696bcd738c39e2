"""What modules claim for themselves: names, collections, settings, and routes. No two may claim the same."""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.routing import iter_route_contexts
from pydantic_settings import BaseSettings
from starlette.routing import BaseRoute

from core.database.bulk import collection_name
from core.errors import StartupError
from core.module import Module
from core.settings import Settings, variables

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

THE_SERVICE = "the service itself"


@dataclass(frozen=True, slots=True)
class _Declaration:
    """Something that only one may have, who claims it, and by declaring what."""

    what: str
    who: str
    declared: object

    @property
    def where(self) -> str:
        return _where(self.declared)


@dataclass(frozen=True, slots=True)
class _Route:
    """One method of a route. `sample` is an address that it answers."""

    method: str
    path: str
    sample: str
    regex: re.Pattern[str]
    endpoint: object

    @property
    def where(self) -> str:
        return _where(self.endpoint)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def check_conflicts(modules: Sequence[Module], reserved: Sequence[BaseRoute] = ()) -> None:
    """Raise `StartupError` when two modules claim one name, one collection or one setting, or when a route would never
    be reached, as one that is `reserved` for the service, or stands before it, answers its addresses."""
    claims: dict[str, list[_Declaration]] = defaultdict(list)
    for claim in [*_settings(Settings, THE_SERVICE), *(claim for module in modules for claim in _claims(module))]:
        claims[claim.what].append(claim)
    for first, *others in claims.values():
        for second in others:
            raise StartupError(
                f"The {first.what} is declared more than once: by {first.who} and {second.who}. "
                f"Rename one of them, in {first.where} or in {second.where}."
            )
    _check_reached([*_routes(reserved), *(route for module in modules for route in _routes_of(module))])


def declarations_of(module: Module) -> Iterator[str]:
    """What a module has for itself alone, in words: `collection users`, `route GET /users`."""
    yield from (claim.what for claim in _claims(module))
    yield from (f"route {route.name}" for route in _routes_of(module))


def _claims(module: Module) -> Iterator[_Declaration]:
    yield _Declaration(f"module {module.name}", module.name, module)
    for document in module.documents:
        yield _Declaration(f"collection {collection_name(document)}", module.name, document)
    if module.settings:
        yield from _settings(module.settings, module.name)


def _settings(kind: type[BaseSettings], who: str) -> Iterator[_Declaration]:
    return (_Declaration(f"setting {variable}", who, kind) for variable in variables(kind))


def _check_reached(routes: Sequence[_Route]) -> None:
    for place, route in enumerate(routes):
        for earlier in routes[:place]:
            if earlier.method == route.method and earlier.regex.match(route.sample):
                raise StartupError(
                    f"{route.where}: {route.name} is never reached, for {earlier.name} ({earlier.where}) answers its "
                    "addresses. Give one of them another path, or declare the narrower one first."
                )


def _routes_of(module: Module) -> Iterator[_Route]:
    for router in (module.public_router, module.router):
        yield from _routes(router.routes if router else ())


def _routes(routes: Sequence[BaseRoute]) -> Iterator[_Route]:
    for route in iter_route_contexts(routes):
        endpoint = getattr(route, "endpoint", None)
        # What is mounted answers any method.
        for method in sorted(route.methods or METHODS):
            yield _Route(method, route.path or "", _sample(route), route.path_regex, endpoint)


def _sample(route: Any) -> str:
    """An address that a route answers, and that no narrower route would."""
    path: str = route.path_format or route.path
    for name, convertor in route.param_convertors.items():
        filler = next((text for text in _FILLERS if re.fullmatch(convertor.regex, text)), "~")
        path = path.replace(f"{{{name}}}", filler)
    return path


# From what only the widest kinds of parameters take to what the narrowest do.
_FILLERS = ("~/~", "~", "1.5", "1", "00000000-0000-0000-0000-000000000000")


def _where(declared: Any) -> str:
    """The file and the line where something is declared. Slow, as it reads the file: for errors only."""
    if isinstance(declared, Module):
        return f"the declaration of {declared.name}"
    try:
        return f"{inspect.getsourcefile(declared)}, line {inspect.getsourcelines(declared)[1]}"
    except (TypeError, OSError):
        return THE_SERVICE
