"""Contracts on a module's declaration. Each contract yields a sentence for each violation."""

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from beanie import Document
from pydantic_settings import BaseSettings
from pymongo import IndexModel
from pymongo.database import Database

from core.cli import openapi
from core.cli import settings as settings_pages
from core.command import Command
from core.conflicts import check_conflicts
from core.database.bulk import collection_name
from core.errors import StartupError
from core.events import Follow
from core.module import Demo, Every, Module
from core.operations.health import service
from core.pages.problem_catalog import problem_types
from core.references import Reference
from core.settings import ModuleSettings, variables
from tests.contract.isolation import MODULES, imports_of
from tests.contract.places import place, place_of, place_of_name
from tests.processes import ROOT

MongoDatabase = Database[dict[str, Any]]


def is_declared(module: Module, package: ModuleType) -> Iterator[str]:
    """Check that the folder, its tests and the declaration have the same name, and that there is a description."""
    is_folder = package.__name__.startswith("modules.")  # others are installed, with tests of their own
    if is_folder and package.__name__ != f"modules.{module.name}":
        yield f"is named {module.name}, but its package is {package.__name__}: rename one of them"
    if is_folder and not (ROOT / "tests" / module.name).is_dir():
        yield f"has no tests/{module.name}/: add tests of its own"
    if not module.description.endswith("."):
        yield "has no description that ends with a full stop"


def has_no_conflicts(module: Module) -> Iterator[str]:
    """Check that no other module has a name, collection, setting, command or route of this one."""
    for other in MODULES:
        if other.name != module.name:
            try:
                check_conflicts([other, module])
            except StartupError as error:
                yield str(error)


def lists_its_public_names(module: Module, package: ModuleType) -> Iterator[str]:
    """Check that `__all__` is valid, and lists all names that other modules import."""
    named = list(getattr(package, "__all__", []))
    if len(named) > len(set(named)) or "module" not in named:
        yield "has an __all__ without 'module', or with a duplicate name: mend __all__"
    for name in named:
        if not hasattr(package, name) or name.startswith("_"):
            yield f"lists {name} in __all__, which does not exist or is private: remove it"
    for name in sorted(_used_by_others(module.name) - {"", "module", *named}):
        yield f"does not list {name} in __all__, which another module imports: add it"


def _used_by_others(name: str) -> set[str]:
    return {imported for other in MODULES for root, imported in imports_of(other.name) if root == name}


def declares_its_documents(module: Module, package: ModuleType) -> Iterator[str]:
    """Check that every document that the module's files define is declared, and names its collection."""
    import_files(package)
    for document in _documents_of(package):
        if document not in module.documents:
            yield f"does not declare {document.__name__} of {place_of(document)}: add it to documents"
    for document in module.documents:
        if "name" not in vars(getattr(document, "Settings", object)):
            yield f"does not name the collection of {document.__name__} at {place_of(document)}: add it to its Settings"
        if not document.__module__.startswith(f"{package.__name__}."):
            yield f"declares {document.__name__}, which another package defines at {place_of(document)}: remove it"


def _documents_of(package: ModuleType, parent: type[Document] = Document) -> Iterator[type[Document]]:
    for document in parent.__subclasses__():
        # The documents of migrations describe earlier schemas.
        if document.__module__.startswith(f"{package.__name__}.") and ".migrations." not in document.__module__:
            yield document
        yield from _documents_of(package, document)


_ARGUMENTS = {Every: "jobs", Follow: "follows", Reference: "references", Command: "commands", Demo: "demo"}


def declares_what_it_defines(module: Module, package: ModuleType) -> Iterator[str]:
    """Check that a module declares its settings, its migrations, and what its files assign to a name for a declaration,
    also in a tuple or list: nothing else would use it."""
    yield from import_files(package)
    declared = [*module.jobs, *module.follows, *module.references, *module.commands, module.demo]
    for file, name, value in _names_in(package):
        for kind in {type(one) for one in _parts(value) if isinstance(one, tuple(_ARGUMENTS)) and one not in declared}:
            yield f"does not declare {name} of {place_of_name(file, name)}: add it to {_ARGUMENTS[kind]}"
        if (
            isinstance(value, type)
            and issubclass(value, BaseSettings)
            and value.__module__.startswith(f"{package.__name__}.")
            and not issubclass(module.settings or object, value)
        ):
            base = "" if issubclass(value, ModuleSettings) else ", which inherits from ModuleSettings"
            yield f"does not declare {name} of {place_of(value)}: add settings={name}{base}"
    for folder in getattr(package, "__path__", ()):
        if module.migrations is None and (Path(folder) / "migrations" / "__init__.py").exists():
            yield f"does not declare {place(folder, 1).partition(',')[0]}/migrations: add migrations=migrations"


def _parts(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else (value,)


def import_files(package: ModuleType) -> list[str]:
    """Import all files of a package except migrations, as those that nothing imports may define something that is not
    declared. Return a sentence for each file that cannot be imported."""
    failed = []
    for folder in map(Path, getattr(package, "__path__", ())):
        for file in sorted(folder.rglob("*.py")):
            parts = [part for part in file.relative_to(folder).with_suffix("").parts if part != "__init__"]
            if not {"migrations", "__main__"} & {*parts}:
                try:
                    importlib.import_module(".".join([package.__name__, *parts]))
                except Exception as error:  # noqa: BLE001 (whatever a file raises)
                    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    failed.append(f"has the file {place(str(file), 1)}, which cannot be imported: {reason}")
    return failed


def _names_in(package: ModuleType) -> Iterator[tuple[Path, str, object]]:
    """Yield what the loaded files of a package assign or import, each with the file and the name."""
    for loaded in [one for name, one in sys.modules.items() if f"{name}.".startswith(f"{package.__name__}.")]:
        for name, value in vars(loaded).items():
            yield Path(str(loaded.__file__)), name, value


def documents_its_settings(module: Module) -> Iterator[str]:
    """Check that each setting has a description, and that the generated pages have the current table of settings."""
    if module.settings is None:
        return
    for variable, name in variables(module.settings).items():
        if not module.settings.model_fields[name].description:
            yield f"has no docstring below the setting {variable} of {place_of(module.settings)}: add one"
    texts = (settings_pages.page([module]), settings_pages.example([module]))
    for file, text in zip(settings_pages.files(), texts, strict=True):
        table = text[text.index(f"The module {module.name}") :]
        if table not in file.read_text(encoding="utf-8"):
            yield f"is not in {file.relative_to(ROOT)} with its current settings. Run: .venv/bin/{openapi.COMMAND}"


def explains_its_problems(module: Module) -> Iterator[str]:
    """Check that each problem type says in its docstring what it means, and then what a client can do."""
    for problem in problem_types([module]).values():
        if not re.fullmatch(r"[A-Z].+\.", problem.meaning()) or not re.fullmatch(r"[A-Z`].+\.", problem.remedy()):
            yield (
                f"has a problem {problem.__name__} at {place_of(problem)} whose docstring lacks its meaning or what a "
                "client can do: write a sentence, an empty line, and another sentence"
            )


def owns_its_collections(modules: Sequence[Module], database: MongoDatabase) -> Iterator[str]:
    """Check that the start of an app created only collections that its modules declare."""
    declared = {document.get_settings().name for module in modules for document in module.documents}
    declared |= {collection_name(document) for document in service.documents}
    for collection in sorted(set(database.list_collection_names()) - declared):
        yield f"creates the collection {collection}, which it does not declare: add its document to documents"


def has_its_indexes(module: Module, database: MongoDatabase) -> Iterator[str]:
    """Check that every declared index exists after the start."""
    for document in module.documents:
        settings: Any = getattr(document, "Settings", object)
        existing = database[settings.name].index_information()
        where = f", unlike {place_of(document)}: let nothing but its Settings create or drop indexes"
        for declared in getattr(settings, "indexes", []):
            wanted = declared.document if isinstance(declared, IndexModel) else IndexModel(declared).document
            index = existing.get(wanted["name"])
            if index is None or index["key"] != list(wanted["key"].items()):
                yield f"has no index {wanted['name']} in the collection {settings.name}{where}"
            elif any(index.get(option, False) != wanted[option] for option in wanted.keys() - {"name", "key"}):
                yield f"has an index {wanted['name']} in the collection {settings.name} with undeclared options{where}"
