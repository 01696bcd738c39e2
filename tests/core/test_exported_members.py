"""Tests of `__all__` of core's packages: other code imports exactly these names, and only from the package itself."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.processes import ROOT

PACKAGES = sorted(path.parent.name for path in (ROOT / "core").glob("*/__init__.py"))
USERS = [*ROOT.glob("core/**/*.py"), *ROOT.glob("modules/**/*.py"), *ROOT.glob("benchmarks/*.py"), ROOT / "main.py"]

# Imported by its full name, as it needs optional packages.
OPTIONAL = {"core.operations.trace_export"}
# Names for modules that no module uses yet.
FOR_MODULES = {"metrics": {"Histogram"}, "routing": {"deprecation"}}


@cache
def read(file: Path) -> tuple[list[tuple[str, str]], set[str]]:
    """Return the module and the name of each `from core.… import …` in a file, and all names of attributes."""
    imports, attributes = list[tuple[str, str]](), set[str]()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imports += [(alias.name, "") for alias in node.names if alias.name.startswith("core.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("core."):
            imports += [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
    return imports, attributes


def imported_from_outside(package: str) -> Iterator[tuple[str, str, str]]:
    """Yield the file, the module and the name of each import of the package by a file outside of it."""
    folder = ROOT / "core" / package
    for file in USERS:
        if not file.is_relative_to(folder):
            for module, name in read(file)[0]:
                if module.split(".")[1] == package and module not in OPTIONAL:
                    yield str(file.relative_to(ROOT)), module, name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_exactly_what_others_import(package: str) -> None:
    used = list(imported_from_outside(package))

    assert [one for one in used if one[1] != f"core.{package}"] == [], "these imports bypass the package's root"
    exported = set(import_module(f"core.{package}").__all__)
    assert exported == {name for _, _, name in used} | FOR_MODULES.get(package, set())


def test_all_forms_of_imports_are_found(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text("import core.api.etag\nfrom core.database.bulk import watch_ids\nfrom core.api import Code as c\n")

    assert read(file)[0] == [("core.api.etag", ""), ("core.database.bulk", "watch_ids"), ("core.api", "Code")]


def callers_of(method: str, files: Iterable[Path]) -> set[str]:
    """Return the files that mention a method, also without calling it."""
    return {str(file.relative_to(ROOT)) for file in files if method in read(file)[1]}


@pytest.mark.parametrize("method", ["get_motor_collection", "get_pymongo_collection"])
def test_one_function_asks_beanie_for_the_collection_of_the_driver(method: str) -> None:
    expected = {"core/database/bulk.py"} if method == "get_motor_collection" else set()

    assert callers_of(method, USERS) == expected
