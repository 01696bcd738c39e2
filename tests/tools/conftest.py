"""Fixtures of the tests that drive a browser, and generate clients and requests."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _untraced(untraced: None) -> None:
    """Start all servers without coverage."""
