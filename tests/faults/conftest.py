"""Fixtures of the tests that put a service under load or kill it."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _without_coverage(without_coverage: None) -> None:
    """Start all servers without coverage."""
