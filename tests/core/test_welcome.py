"""Tests of the welcome response: a page for browsers, links for programs."""

import re
from html import unescape

import pytest

from tests.core.stubs import BROWSER, unstarted_client
from tests.test_readme import README


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", None])
def test_programs_get_json(accept: str | None) -> None:
    client = unstarted_client()
    del client.headers["Accept"]
    answer = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert answer.headers["Vary"] == "Accept"
    assert answer.json() == {
        "message": "Welcome to the Student Management API",
        "docs": "/docs",
        "redoc": "/redoc",
        "openapi": "/openapi.json",
        "problems": "/problems",
        "health": "/readyz",
    }


def test_browsers_get_a_page() -> None:
    answer = unstarted_client().get("/", headers=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"
    links = set(re.findall(r'href="([^"]+)"', answer.text))
    assert links >= {"/docs", "/redoc", "/openapi.json", "/problems", "/readyz", "/healthz"}


@pytest.mark.parametrize("root", ["", "/api"])
def test_links_have_the_path_prefix_of_a_proxy(root: str) -> None:
    client = unstarted_client()
    client._transport.root_path = root  # type: ignore[attr-defined]
    links = client.get(f"{root}/").json()
    shown = re.findall(r'href="([^"]+)"', client.get(f"{root}/", headers=BROWSER).text)
    assert all(path.startswith(f"{root}/") for path in [*shown, *list(links.values())[1:]])
    assert {client.get(path).status_code for path in shown if path != f"{root}/readyz"} == {200}


def commands(page: str) -> list[str]:
    """Return the commands on the page, as a browser shows them."""
    return [unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]


def test_the_commands_are_those_of_the_readme_with_the_requested_host() -> None:
    walk = re.findall(r"```sh\n(.*?)\n```", README.partition("\n## A first walk\n")[2], re.DOTALL)
    page = unstarted_client().get("http://school.example:8080/", headers=BROWSER).text
    assert commands(page) == [text.replace("127.0.0.1:8000", "school.example:8080") for text in walk[:4]]


@pytest.mark.parametrize(
    ("host", "quoted"),
    [
        ("$(reboot)", "'http://$(reboot)'"),
        ("a;b&c", "'http://a;b&c'"),
        ("a'b", "'http://a'\"'\"'b'"),
        ("<script>", "http://testserver"),
        ("a b", "http://testserver"),
    ],
)
def test_an_unusual_host_is_escaped_in_commands_and_in_html(host: str, quoted: str) -> None:
    page = unstarted_client().get("/", headers={**BROWSER, "Host": host}).text
    assert [f"curl -s {quoted}/" in command for command in commands(page)] == [True] * 4
    assert "<script" not in page
    assert "b&c" not in page
