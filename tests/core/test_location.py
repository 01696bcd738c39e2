"""The address of a record, whatever its code holds and whatever prefix a proxy gives the service."""

import pytest
from fastapi import Request

from core.api.location import address


@pytest.mark.parametrize(
    ("prefix", "code", "expected"),
    [
        ("", "A1", "/courses/A1"),
        ("/api", "A1", "/api/courses/A1"),
        ("", "a/b ?#", "/courses/a%2Fb%20%3F%23"),
        ("", "é", "/courses/%C3%A9"),
    ],
)
def test_an_address_leads_to_the_record(prefix: str, code: str, expected: str) -> None:
    request = Request({"type": "http", "root_path": prefix})
    assert address(request, "courses", code) == expected
