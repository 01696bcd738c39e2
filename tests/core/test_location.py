"""Tests of the URL of a record, for any code and any path prefix of a proxy."""

import pytest
from fastapi import Request

from core.api.location import url_path


@pytest.mark.parametrize(
    ("prefix", "code", "expected"),
    [
        ("", "A1", "/courses/A1"),
        ("/api", "A1", "/api/courses/A1"),
        ("", "a/b ?#", "/courses/a%2Fb%20%3F%23"),
        ("", "é", "/courses/%C3%A9"),
    ],
)
def test_the_url_of_a_record_has_the_prefix_and_the_encoded_code(prefix: str, code: str, expected: str) -> None:
    request = Request({"type": "http", "root_path": prefix})
    assert url_path(request, "courses", code) == expected
