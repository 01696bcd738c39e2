"""Tests of the codes of errors: each one in the source is declared and explained, and each declared one is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.api.error_codes import ERROR_CODES
from core.api.validation_messages import SENTENCES
from core.app import create_app
from core.errors import StartupError
from core.module import Module
from core.pages.problem_catalog import error_codes
from core.registry import discover
from core.settings import Settings
from modules.transfers.columns.cell_values import CODES
from tests.contract.isolation import all_used_by
from tests.contract.messages import LIBRARY_ERRORS
from tests.core.stubs import BROWSER, stub
from tests.processes import ROOT

MODULES = {module.name: module for module in discover()}

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
}
KEYWORDS = ("FieldError", "Finding")


def codes_in(folder: Path) -> Iterator[str]:
    """Yield the codes that the source in a folder names where it makes an error."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in POSITIONS:
                    yield from (code for one in args[POSITIONS[name] :][:1] for code in _text_of(one))
                case ast.Call(func=ast.Name(id=name), keywords=keywords) if name in KEYWORDS:
                    yield from (code for one in keywords if one.arg == "code" for code in _text_of(one.value))


def _text_of(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def declared_for(name: str) -> set[str]:
    """Return the codes that a module may use: its own, those of core, and those of the modules that it imports."""
    return {*ERROR_CODES, *(code for one in (name, *all_used_by(name)) for code in MODULES[one].error_codes)}


@pytest.mark.parametrize("name", MODULES)
def test_each_code_of_a_module_is_declared(name: str) -> None:
    used = set(codes_in(ROOT / "modules" / name))
    assert used <= declared_for(name)


def test_each_code_of_core_is_declared() -> None:
    assert {*codes_in(ROOT / "core"), *SENTENCES} - {"refused"} <= ERROR_CODES.keys()  # settings are refused


def test_each_declared_code_is_used() -> None:
    used = {*codes_in(ROOT / "core"), *codes_in(ROOT / "modules"), *CODES, *SENTENCES, "erased"}
    declared = {*ERROR_CODES, *(code for module in MODULES.values() for code in module.error_codes)}
    assert {code for code in declared - used if not code.startswith("column_")} == set()


def test_no_code_of_a_module_is_the_name_of_a_library_error() -> None:
    assert not [code for module in MODULES.values() for code in module.error_codes if code in LIBRARY_ERRORS]


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(Settings.model_construct()))


def test_each_code_is_listed_with_an_explanation(client: TestClient) -> None:
    listed = {one["code"]: one["meaning"] for one in client.get("/problems/codes").json()}
    assert list(listed) == sorted(listed)
    assert {"mark_type", "column_total", "subject_similar", "missing", "choice", "exists"} <= listed.keys()
    assert all(re.fullmatch(r"[A-Z`].{15,}\.", meaning) for meaning in listed.values())
    assert all(re.fullmatch(r"[a-z0-9_]+", code) for code in listed)
    for path in ("/problems", "/problems/codes"):
        page = client.get(path, headers=BROWSER).text
        assert re.findall(r'<tr id="(\w+)"><td><code>\1</code>', page) == list(listed)
        assert "or above the highest mark, which <code>detail</code> states" in page


def test_a_code_that_is_declared_twice_prevents_startup() -> None:
    one, two = (Module(name=name, error_codes={"new": "It is wrong."}) for name in ("one", "two"))
    with pytest.raises(StartupError, match="The error code new is declared by one and by two"):
        error_codes([one, two])
    with pytest.raises(StartupError, match="The error code missing is declared by core and by stub"):
        create_app(Settings(), [stub(error_codes={"missing": "It is not there."})])
