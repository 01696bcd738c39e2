"""A module as the only one of its app: who asks is a stub, and of the modules that it uses there are the documents."""

from dataclasses import replace

from core.identity import Principal
from core.module import Module
from core.registry import discover, imported
from tests.core.stubs import authenticate
from tests.processes import ROOT

MODULES = discover()


def alone(module: Module) -> list[Module]:
    """The modules of an app in which `module` is the only one with addresses. Who is signed in has the name that the
    examples of the documentation know."""
    used = all_used_by(module.name)
    companions = [
        Module(name=other.name, documents=other.documents, migrations=other.migrations)
        for other in MODULES
        if other.name in used
    ]
    return [replace(module, authenticator=_authenticate), *companions]


async def _authenticate(token: str) -> Principal:
    return replace(await authenticate(token), username="alice")


def all_used_by(name: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The modules that this one imports, and those that they import."""
    for other in {root for root, _ in imports_of(name)} - known:
        known = all_used_by(other, known | {other})
    return known


def imports_of(name: str) -> set[tuple[str, str]]:
    """What a module's files import of other modules: the other module, and the name in it (none for the module)."""
    return imported("modules", ROOT / "modules" / name)
