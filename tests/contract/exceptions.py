"""The exceptions of a module from the contract, each with its reason, in `tests/<module>/contract.py`."""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tests.contract.operations import Operation


@dataclass(frozen=True)
class Exempt:
    """An operation, such as `POST /imports`, that need not keep a contract.

    `contract` is the name of its function, which a failed test shows at the end of each line. `reason` is a sentence.
    An exception that is not needed fails the test, too.
    """

    operation: str
    contract: str
    reason: str


def exceptions_of(module: str) -> tuple[Exempt, ...]:
    """Return the exceptions that a module's tests declare as `EXCEPTIONS`."""
    return tuple(_declared(module, "EXCEPTIONS"))


def computed_codes_of(module: str) -> set[str]:
    """Return the codes of field errors that no source names, as a module's tests declare them in `COMPUTED_CODES`."""
    return set(_declared(module, "COMPUTED_CODES"))


def _declared(module: str, constant: str) -> Iterable[Any]:
    name = f"tests.{module}.contract"
    if not find_spec(f"tests.{module}") or not find_spec(name):
        return ()
    declared: Iterable[Any] = getattr(importlib.import_module(name), constant, ())
    return declared


def is_exempt(operation: Operation, contract: str) -> bool:
    """Return whether an operation need not keep a contract."""
    return (str(operation), contract) in {(one.operation, one.contract) for one in exceptions_of(operation.module)}


def unexcused(module: str, contract: str, gaps: Iterable[tuple[Operation, str]]) -> list[str]:
    """Return a line for each gap that is no exception, and for each exception without a gap.

    A line names the operation, with the file and line of its function, and the contract.
    """
    found = list(gaps)
    needed = {str(operation) for operation, _ in found}
    lines = [f"{one} ({one.where}): {gap} [{contract}]" for one, gap in found if not is_exempt(one, contract)]
    return list(dict.fromkeys([*lines, *_unneeded(module, contract, needed)]))


def _unneeded(module: str, contract: str, needed: set[str]) -> Iterator[str]:
    for one in exceptions_of(module):
        if one.contract == contract and one.operation not in needed:
            yield f"{one.operation} keeps {contract}: remove the exception from tests/{module}/contract.py"
