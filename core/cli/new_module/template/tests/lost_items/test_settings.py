# with settings
"""Tests of the settings of lost items."""

from typing import Any

import pytest

from tests.conftest import AppClient, sign_in

NEW: dict[str, Any] = {"code": "A1", "name": "Bags"}  # without reference
NEW: dict[str, Any] = {"code": "A1", "roll_no": "S001", "name": "Bags"}  # with reference


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/lost-items", NEW),
        ("PUT", "/lost-items/A1", {"name": "Bags"}),
    ],
)
def test_a_long_name_is_refused(open_client: AppClient, method: str, url: str, body: dict[str, Any]) -> None:
    teacher = sign_in(open_client(lost_items_max_name_length=3))

    refused = teacher.request(method, url, json=body)

    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"], error["pointer"]) == ("string_too_long", "#/name")
