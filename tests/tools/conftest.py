"""Fixtures of the tests that drive a browser, and generate clients and requests."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _without_coverage(without_coverage: None) -> None:
    """Start all servers without coverage."""
