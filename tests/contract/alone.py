"""A module as the only one of its app: who asks is a stub, and of the modules that it uses there are the documents."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.discovery import discover
from core.identity import Principal
from core.module import Module
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
    for other in {root for root, _ in imports_of(name)} - known - {name}:
        known = all_used_by(other, known | {other})
    return known


def imports_of(name: str) -> Iterator[tuple[str, str]]:
    """What a module's files import from other modules' roots: the other module, and the imported name."""
    for file in sorted((ROOT / "modules" / name).rglob("*.py")):
        for root, imported in _imports_in(file):
            if root != name:
                yield root, imported


def _imports_in(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modules."):
            yield from ((str(node.module).split(".")[1], alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[1], "module") for alias in node.names if alias.name[:8] == "modules.")
