"""Tests of the codes of errors: each of core is declared, used and explained. `tests/contract` checks the modules."""

import re

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
from tests.contract.error_codes import codes_in
from tests.contract.messages import LIBRARY_ERRORS
from tests.core.stubs import BROWSER, stub
from tests.processes import ROOT

MODULES = {module.name: module for module in discover()}


def test_each_code_of_core_is_declared() -> None:
    used = {code for code, _ in codes_in(ROOT / "core")}
    assert {*used, *SENTENCES} - {"refused"} <= ERROR_CODES.keys()  # settings are refused


def test_each_declared_code_of_core_is_used() -> None:
    used = {code for folder in ("core", "modules") for code, _ in codes_in(ROOT / folder)}
    assert ERROR_CODES.keys() - used - SENTENCES.keys() == set()


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
