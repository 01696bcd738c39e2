"""Contracts on the codes of a module's field errors. Each contract yields a sentence for each violation."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from core.api.error_codes import ERROR_CODES
from core.api.validation_messages import SENTENCES
from core.module import Module
from tests.contract.exceptions import computed_codes_of
from tests.contract.isolation import MODULES, SOURCES, all_used_by
from tests.contract.places import place

# The positions of the code among the arguments of functions that take one.
POSITIONS = {
    "PydanticCustomError": 0,
    "_Refused": 0,
    "_stopping": 0,
    "_expect": 1,
    "_error": 0,
    "CellProblem": 0,
    "_without_name": 1,
    "RowError": 2,
    "_wrong_choice": 1,
    "SubjectError": 1,
}
KEYWORDS = ("FieldError", "Finding")


@cache
def codes_in(folder: Path) -> list[tuple[str, str]]:
    """Return the codes that the source in a folder names where it makes an error, each with the file and line."""
    return list(_codes_in(folder))


def _codes_in(folder: Path) -> Iterator[tuple[str, str]]:
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in POSITIONS:
                    found = args[POSITIONS[name] :][:1]
                case ast.Call(func=ast.Name(id=name), keywords=keywords) if name in KEYWORDS:
                    found = [one.value for one in keywords if one.arg == "code"]
                case _:
                    continue
            for one in found:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value, place(str(file), one.lineno)


def declares_the_codes_it_uses(module: Module) -> Iterator[str]:
    """Check that each code in the module's source is declared: by itself, core, or a module that it imports."""
    used = all_used_by(module.name)
    modules = [module, *(other for other in MODULES if other.name in used)]
    declared = {*ERROR_CODES, *(code for one in modules for code in one.error_codes)}
    for code, where in codes_in(SOURCES[module.name].folder):
        if code not in declared:
            yield f"uses the code {code} at {where}: explain it in error_codes"


def uses_the_codes_it_declares(module: Module) -> Iterator[str]:
    """Check that a module's source names each code that it declares, unless the code is computed."""
    used = {
        *(code for one in SOURCES.values() for code, _ in codes_in(one.folder)),
        *SENTENCES,
        *computed_codes_of(module.name),
    }
    for code in sorted(module.error_codes.keys() - used):
        yield f"declares the code {code}, which no error has: remove it from error_codes"
