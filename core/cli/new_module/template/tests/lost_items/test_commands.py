# with command
"""Tests of the terminal commands of lost items."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import sign_in
from tests.lost_items.test_lost_items import create
from tests.terminal import Terminal

pytestmark = pytest.mark.process


def test_lost_items_are_counted(client: TestClient, terminal: Terminal) -> None:
    create(sign_in(client))
    done = terminal("count-lost-items")
    assert (done.returncode, done.stdout) == (0, "Lost items: 1\n")
