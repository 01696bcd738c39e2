"""An app with a single module, a stub for authentication, and the documents of the modules that it uses."""

from collections.abc import Sequence
from dataclasses import replace

from core.errors import StartupError
from core.identity import Principal
from core.module import Module
from core.registry import discover, imported, sources_of_modules
from tests.contract.places import place_of_name
from tests.core.stubs import authenticate

try:
    MODULES, SOURCES = discover(), sources_of_modules()
except StartupError:  # `tests/conftest.py` prints it, and stops the run before the first test
    MODULES, SOURCES = [], {}


def isolated(module: Module) -> list[Module]:
    """Return the modules of an app in which only `module` has routes.

    Its jobs do not run in the background, where their errors and commands would look like those of a request:
    `tests/contract/functions.py` calls them. The signed-in user has the name that the examples of the documentation
    use.
    """
    used = all_used_by(module.name)
    companions = [
        Module(
            name=other.name,
            documents=other.documents,
            references=other.references,
            migrations=other.migrations,
            error_codes=other.error_codes,
        )
        for other in MODULES
        if other.name in used
    ]
    return [replace(module, authenticator=_authenticate, jobs=()), *companions]


def together(modules: Sequence[Module]) -> list[Module]:
    """Return the modules of an app in which all of these are complete, with a stub for authentication."""
    return [replace(module, authenticator=None if index else _authenticate) for index, module in enumerate(modules)]


def place_of_declaration(module: Module) -> str:
    """Return the file and line of the statement `module = Module(…)`."""
    return place_of_name(SOURCES[module.name].folder / "__init__.py", "module")


async def _authenticate(token: str) -> Principal:
    return replace(await authenticate(token), username="alice")


def all_used_by(name: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the modules that this one imports, directly or indirectly."""
    for other in {root for root, _ in imports_of(name)} - known:
        known = all_used_by(other, known | {other})
    return known


def imports_of(name: str) -> set[tuple[str, str]]:
    """Return what a module's files import: pairs of another module and a name in it, empty for the module itself."""
    return imported(name, SOURCES) if name in SOURCES else set()
