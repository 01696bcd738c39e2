"""Conflicts between modules: two that declare the same name, collection, setting or route."""

import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_settings import BaseSettings

from core.database import collection_name
from core.errors import StartupError
from core.module import Module
from core.routing import DeclaredRoute, declared_routes
from core.settings import Settings, variables

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


def check_conflicts(modules: Sequence[Module], reserved: Sequence[Any] = ()) -> None:
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
    _check_reached([*declared_routes(reserved), *(route for module in modules for route in _routes_of(module))])


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


def _check_reached(routes: Sequence[DeclaredRoute]) -> None:
    for place, route in enumerate(routes):
        for earlier in routes[:place]:
            if earlier.method == route.method and earlier.regex.match(route.sample):
                here, there = _where(route.endpoint), _where(earlier.endpoint)
                raise StartupError(
                    f"{here}: {route.name} is never reached, for {earlier.name} ({there}) answers its addresses. "
                    "Give one of them another path, or declare the narrower one first."
                )


def _routes_of(module: Module) -> Iterator[DeclaredRoute]:
    for router in (module.public_router, module.router):
        yield from declared_routes(router.routes if router else ())


def _where(declared: Any) -> str:
    """The file and the line where something is declared. Slow, as it reads the file: for errors only."""
    if isinstance(declared, Module):
        return f"the declaration of {declared.name}"
    try:
        return f"{inspect.getsourcefile(declared)}, line {inspect.getsourcelines(declared)[1]}"
    except (TypeError, OSError):
        return THE_SERVICE
