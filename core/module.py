"""A feature module's declaration, and how the modules are found.

Adding a module is adding a folder under `modules/`: nothing outside of it is edited. Whatever is wrong with one
stops the start, in one line that says which folder and why; a broken module never silently vanishes.
"""

import importlib
import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from beanie import Document
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from core.command import Command
from core.errors import StartupError
from core.identity import Authenticator
from core.routing import ProtectedRouter


@dataclass(frozen=True, kw_only=True)
class Module:
    """What a feature module contributes to the service.

    name           its folder's name, which is also its tag in the API documentation
    description    what the documentation says of the tag
    router         routes that need a signed-in user: a `ProtectedRouter`
    public_router  routes that anyone may call
    documents      the Beanie documents whose collections it owns
    authenticator  fills the identity slot; exactly one module of an app declares it
    lifespan       surrounds the time in which the service runs, with the database open
    commands       what `python -m core` can do with the module, from a terminal
    """

    name: str
    description: str = ""
    router: ProtectedRouter | None = None
    public_router: APIRouter | None = None
    documents: tuple[type[Document], ...] = ()
    authenticator: Authenticator | None = None
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None
    commands: tuple[Command, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a router that would let anyone in."""
        if self.router is not None and not isinstance(self.router, ProtectedRouter):
            raise StartupError(
                f"Module {self.name}: router must be a ProtectedRouter; routes for everyone go into public_router."
            )


def discover(package: str = "modules") -> list[Module]:
    """The declarations of every folder of `package`, in sorted order; raises `StartupError`."""
    root = Path(importlib.import_module(package).__path__[0])
    for stray in root.glob("*.py"):
        if stray.name != "__init__.py":
            raise StartupError(f"{package}/{stray.name} is not a module. Make it a folder: {package}/{stray.stem}/")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")
    return [_load(package, folder.name) for folder in folders]


def _load(package: str, name: str) -> Module:
    where = f"{package}/{name}/__init__.py"
    if not name.isidentifier():
        raise StartupError(f"The folder {package}/{name} cannot be imported: name it with letters, digits and '_'.")
    try:
        module = getattr(importlib.import_module(f"{package}.{name}"), "module", None)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}, line {last.lineno}"
        raise StartupError(f"{where} cannot be imported: {type(error).__name__}: {error} ({place})") from error
    if not isinstance(module, Module):
        raise StartupError(f"{where} declares no module. Add: module = Module(name={name!r}, …)")
    if module.name != name:
        raise StartupError(f"{where} declares the name {module.name!r}. Make it {name!r}.")
    return module


def the_authenticator(modules: Sequence[Module]) -> Authenticator:
    """The one authenticator that `modules` declare; raises `StartupError` when there is none, or more than one."""
    found = [(module.name, module.authenticator) for module in modules if module.authenticator]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise StartupError(f"Exactly one module must declare an authenticator; these do: {names}.")
    return found[0][1]


def check_disjoint(modules: Sequence[Module], reserved: Sequence[BaseRoute] = ()) -> None:
    """Raise `StartupError` when two modules claim one name, one collection or one route, or one claims a route
    that is `reserved`: one of the service's own."""
    claims: dict[str, list[str]] = defaultdict(list)
    for claim in _route_claims(reserved):
        claims[claim].append("the service itself")
    for module in modules:
        for claim in claims_of(module):
            claims[claim].append(module.name)
    for claim, names in claims.items():
        if len(names) > 1:
            raise StartupError(f"The {claim} is declared more than once: by {' and '.join(names)}.")


def claims_of(module: Module) -> Iterator[str]:
    """What a module has for itself alone: its name, its collections, its routes, each in words."""
    yield f"module {module.name}"
    for document in module.documents:
        yield f"collection {_collection_name(document)}"
    for router in (module.router, module.public_router):
        yield from _route_claims(router.routes if router else ())


def _route_claims(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route in iter_route_contexts(routes):
        path = re.sub(r"\{[^}]*\}", "{}", route.path or "")
        yield from (f"route {method} {path}" for method in sorted(route.methods or ()))


def _collection_name(document: type[Document]) -> str:
    return str(getattr(getattr(document, "Settings", None), "name", document.__name__))
