"""What the contracts find in a module, and how a test fails: with one line for each finding."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from core.module import Module
from tests.contract.exceptions import unexcused
from tests.contract.operations import Operation


def report(lines: Iterable[str]) -> None:
    """Fail the test with these lines and nothing else, unless there are none. No option of pytest shortens them."""
    found = [" ".join(line.split()) for line in dict.fromkeys(lines)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def found_in(
    module: Module, operations: Iterable[Operation], contracts: Iterable[Callable[..., Iterator[str]]], *sources: object
) -> Iterator[str]:
    """Yield what the contracts find in routes and other functions, without the exceptions of the module."""
    for contract in contracts:
        gaps = [(operation, gap) for operation in operations for gap in contract(operation, *sources)]
        yield from unexcused(module.name, contract.__name__, gaps)
