"""Tests of the exceptions from the contract: one excuses one operation from one contract, and must be needed."""

import pytest

from core.module import Module
from tests.contract import exceptions
from tests.contract.documentation import requires_a_signed_in_user
from tests.contract.exceptions import Exempt, exceptions_of, unexcused
from tests.contract.functions import functions_of
from tests.contract.isolation import MODULES
from tests.contract.notes import notes_module
from tests.contract.operations import Operation, operations_of

PUBLIC = requires_a_signed_in_user.__name__


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Return the operations of the notes, whose list is exempt from one contract."""
    declared = (Exempt("GET /notes", PUBLIC, "A screen in the hall shows them."),)
    monkeypatch.setattr(exceptions, "exceptions_of", lambda _: declared)
    return operations_of(notes_module())


def test_a_gap_is_reported_with_its_place_unless_it_is_an_exception(operations: list[Operation]) -> None:
    list_, read, *_ = operations
    gaps = [(list_, "is public"), (read, "is public"), (read, "is public")]

    (line,) = unexcused("notes", PUBLIC, gaps)

    assert line.startswith("GET /notes/{number} (tests/contract/notes.py, line ")
    assert line.endswith(f"): is public [{PUBLIC}]")
    assert len(unexcused("notes", "has_summary", [(list_, "has none")])) == 1


def test_an_exception_that_is_not_needed_is_reported(operations: list[Operation]) -> None:
    assert unexcused("notes", PUBLIC, []) == [
        f"GET /notes keeps {PUBLIC}: remove the exception from tests/notes/contract.py"
    ]


def test_a_module_without_a_file_has_no_exceptions() -> None:
    assert exceptions_of("nowhere") == ()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_each_exception_names_an_operation_and_a_reason(module: Module) -> None:
    operations = {str(one) for one in [*operations_of(module), *functions_of(module)]}
    for one in exceptions_of(module.name):
        assert one.operation in operations, one
        assert one.reason.endswith("."), one
