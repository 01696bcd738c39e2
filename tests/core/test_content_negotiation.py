"""Tests of the choice between HTML and JSON by the Accept header (RFC 9110, section 12.5.1)."""

import pytest

from core.pages.content_negotiation import prefers_html
from tests.core.stubs import BROWSER


@pytest.mark.parametrize(
    "accept",
    [
        BROWSER["Accept"],
        "text/html, */*;q=0.1",
        "TEXT/HTML",
        "text/*",
        "text/html;q=0.2, application/json;q=0.1",
        "text/html; q=0.002 ,application/json;q=0.001",
        "application/json;q=0, */*",
        "application/*;q=0.4, */*;q=0.5",
        "text/html;q=0.5, text/html;level=1, application/json;q=0.9",
        "text/html;level=1, text/html;q=0.5, application/json;q=0.9",
        "nonsense, text/html, application/json;q=0.9",
        "text/html, application/json;q=2",
    ],
)
def test_html_is_preferred(accept: str) -> None:
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/problem+json",
        "image/png",
        "application/json, text/html",
        "application/json, text/html;q=0.9",
        "text/html;q=0, */*",
        "text/html;q=0.5, */*;q=0.6",
        "text/*;q=0.9, application/*",
        "text/html;q=x, application/json;q=0.1",
        "text/html;charset=utf-8;q=0.3, application/json;q=0.5",
        "text/htmlx",
        "html",
        ";q=1",
        ",,;",
        "text/html;q=0.0001",
    ],
)
def test_json_is_preferred_or_equally_acceptable(accept: str) -> None:
    assert not prefers_html(accept)
