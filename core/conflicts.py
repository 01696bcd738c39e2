"""The check that no two modules declare the same name, collection, setting or route."""

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
    """A name that must be unique, the module that declares it, and the object that declares it."""

    name: str
    owner: str
    declared: object

    @property
    def where(self) -> str:
        return _where(self.declared)


def check_conflicts(modules: Sequence[Module], reserved: Sequence[Any] = ()) -> None:
    """Raise `StartupError` if two modules declare the same name, collection or setting, or if a route is unreachable
    because a route that is `reserved` for the service, or an earlier route, matches its paths."""
    declarations: dict[str, list[_Declaration]] = defaultdict(list)
    for declaration in [
        *_settings(Settings, THE_SERVICE),
        *(declaration for module in modules for declaration in _declarations(module)),
    ]:
        declarations[declaration.name].append(declaration)
    for first, *others in declarations.values():
        for second in others:
            raise StartupError(
                f"The {first.name} is declared more than once: by {first.owner} and {second.owner}. "
                f"Rename one of them, in {first.where} or in {second.where}."
            )
    _check_reachable([*declared_routes(reserved), *(route for module in modules for route in _routes_of(module))])


def declarations_of(module: Module) -> Iterator[str]:
    """Yield the unique names that a module declares, such as `collection users` and `route GET /users`."""
    yield from (declaration.name for declaration in _declarations(module))
    yield from (f"route {route.name}" for route in _routes_of(module))


def _declarations(module: Module) -> Iterator[_Declaration]:
    yield _Declaration(f"module {module.name}", module.name, module)
    for document in module.documents:
        yield _Declaration(f"collection {collection_name(document)}", module.name, document)
    if module.settings:
        yield from _settings(module.settings, module.name)


def _settings(kind: type[BaseSettings], owner: str) -> Iterator[_Declaration]:
    return (_Declaration(f"setting {variable}", owner, kind) for variable in variables(kind))


def _check_reachable(routes: Sequence[DeclaredRoute]) -> None:
    for index, route in enumerate(routes):
        for earlier in routes[:index]:
            if earlier.method == route.method and earlier.regex.match(route.sample):
                here, there = _where(route.endpoint), _where(earlier.endpoint)
                raise StartupError(
                    f"{here}: {route.name} is unreachable because {earlier.name} ({there}) matches its paths. "
                    "Change the path of one of them, or declare the more specific one first."
                )


def _routes_of(module: Module) -> Iterator[DeclaredRoute]:
    for router in (module.public_router, module.router):
        yield from declared_routes(router.routes if router else ())


def _where(declared: Any) -> str:
    """Return the file and line of a declaration. Slow, as it reads the source file: use it for errors only."""
    if isinstance(declared, Module):
        return f"the declaration of {declared.name}"
    try:
        return f"{inspect.getsourcefile(declared)}, line {inspect.getsourcelines(declared)[1]}"
    except (TypeError, OSError):
        return THE_SERVICE
