"""The check that no two modules declare the same name, collection, setting, command, schema or route."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pydantic_settings import BaseSettings

from core.api import ProblemDetails
from core.command import OWN_COMMANDS
from core.database import collection_name
from core.errors import StartupError
from core.module import Module, changed_at, place_of
from core.routing import DeclaredRoute, add_types, add_types_of_routes, declared_routes, overlap
from core.settings import Settings, variables

THE_SERVICE = "the service itself"


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A name that must be unique, the module that declares it, and the object that declares it."""

    name: str
    owner: str
    declared: object

    @property
    def place(self) -> str:
        return place_of(self.declared) or self.owner

    @property
    def is_of_core(self) -> bool:
        return self.owner == THE_SERVICE or getattr(self.declared, "__module__", "").startswith("core.")


def check_conflicts(modules: Sequence[Module], reserved: Sequence[Any] = ()) -> None:
    """Raise `StartupError` if two modules declare the same name, or routes that match the same path, or if a route is
    unreachable because an earlier route of its module matches its paths. `reserved` are the routes of the service."""
    check_names(modules)
    _check_unique(_schemas(modules))
    routes = [(route, THE_SERVICE) for route in declared_routes(reserved)]
    routes += [(route, module.name) for module in modules for route in _routes_of(module)]
    _check_routes(routes)


def check_names(modules: Sequence[Module]) -> None:
    """Raise `StartupError` if two modules, or a module and the service, declare the same name, collection, setting or
    command."""
    _check_unique(
        [
            *_settings(Settings, THE_SERVICE),
            *(_Declaration(f"command {name}", THE_SERVICE, None) for name in OWN_COMMANDS),
            *(declaration for module in modules for declaration in _declarations(module)),
        ]
    )


def _check_unique(all_declarations: Iterable[_Declaration]) -> None:
    declarations: dict[str, list[_Declaration]] = defaultdict(list)
    for declaration in all_declarations:
        declarations[declaration.name].append(declaration)
    for first, *others in declarations.values():
        for second in others:
            new, old = _newer_first(first, second)
            remedy = "Choose another name." if old.is_of_core else "Rename one of them."
            place = "" if old.place == old.owner else f" ({old.place})"
            raise StartupError(
                f"{new.place}: the {new.name} of {new.owner} is also declared by {old.owner}{place}. {remedy}"
            )


def declarations_of(module: Module) -> Iterator[str]:
    """Yield the unique names that a module declares, such as `collection users` and `route GET /users`, and the schemas
    that it documents."""
    yield from (declaration.name for declaration in (*_declarations(module), *_schemas([module])))
    yield from (f"route {route.name}" for route in _routes_of(module))


def _declarations(module: Module) -> Iterator[_Declaration]:
    yield _Declaration(f"module {module.name}", module.name, module)
    for document in module.documents:
        yield _Declaration(f"collection {collection_name(document)}", module.name, document)
    for command in module.commands:
        yield _Declaration(f"command {command.name}", module.name, command.run)
    # A class that inherits from another one of the module reads the same variables, which is no conflict.
    settings = {one.name: one for kind in _settings_classes(module) for one in _settings(kind, module.name)}
    yield from settings.values()


def _schemas(modules: Sequence[Module]) -> Iterator[_Declaration]:
    """Yield the types that the API's document names, once each, although several modules may use them. Of two with the
    same name, both would be documented under other names, which clients that are generated would have to follow."""
    owners: dict[type, str] = {}
    add_types(ProblemDetails, THE_SERVICE, owners)
    for module in modules:
        for router in (module.public_router, module.router):
            add_types_of_routes(router.routes if router else (), module.name, owners)
    return (_Declaration(f"schema {kind.__name__}", owner, kind) for kind, owner in owners.items())


def _settings_classes(module: Module) -> Iterator[type[BaseSettings]]:
    """Yield the declared settings class of a module, and those that its files define without declaring them, also of
    pydantic's own base class."""
    if module.settings:
        yield module.settings
    for kind in _subclasses(BaseSettings):
        if any(getattr(sys.modules.get(package), "module", None) is module for package in _packages_of(kind)):
            yield kind


def _packages_of(kind: type) -> Iterator[str]:
    """Yield the dotted names of the file that defines a class, and of the packages that it is in."""
    parts = kind.__module__.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _subclasses(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _settings(kind: type[BaseSettings], owner: str) -> Iterator[_Declaration]:
    return (_Declaration(f"setting {variable}", owner, kind) for variable in variables(kind))


def _check_routes(routes: Sequence[tuple[DeclaredRoute, str]]) -> None:
    declared = [(route, _Declaration(route.name, owner, route.endpoint)) for route, owner in routes]
    for (earlier, first), (route, second) in combinations(declared, 2):
        if earlier.method != route.method:
            continue
        owner, other = first.owner, second.owner
        if owner == other and earlier.regex.match(route.sample):
            raise StartupError(
                f"{second.place}: {second.name} is unreachable because {first.name} ({first.place}) matches its paths. "
                "Change the path of one of them, or declare the more specific one first."
            )
        # Which one of them is found would depend on the names of the modules.
        if owner != other and overlap(earlier.tokens, route.tokens):
            new, old = _newer_first(first, second)
            raise StartupError(
                f"{new.place}: {new.name} of {new.owner} matches paths that {old.name} of {old.owner} ({old.place}) "
                "matches, too. Change the path of one of them."
            )


def _newer_first(first: _Declaration, second: _Declaration) -> list[_Declaration]:
    """Return the two with the one first whose file was changed last, as it is probably the cause. Core's own is always
    the second."""
    return sorted((second, first), key=lambda one: (one.is_of_core, -changed_at(one.declared)))


def _routes_of(module: Module) -> Iterator[DeclaredRoute]:
    for router in (module.public_router, module.router):
        yield from declared_routes(router.routes if router else ())
