"""The greeting: a page for people, links for programs."""

import re
from html import unescape

import pytest

from tests.core.stubs import BROWSER, unopened
from tests.test_readme import README


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", None])
def test_a_program_is_greeted_in_json(accept: str | None) -> None:
    client = unopened()
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


def test_a_browser_is_greeted_with_a_page() -> None:
    answer = unopened().get("/", headers=BROWSER)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"
    links = set(re.findall(r'href="([^"]+)"', answer.text))
    assert links >= {"/docs", "/redoc", "/openapi.json", "/problems", "/readyz", "/healthz"}


@pytest.mark.parametrize("root", ["", "/api"])
def test_the_links_stay_behind_the_prefix_of_a_proxy(root: str) -> None:
    client = unopened()
    client._transport.root_path = root  # type: ignore[attr-defined]
    told = client.get(f"{root}/").json()
    shown = re.findall(r'href="([^"]+)"', client.get(f"{root}/", headers=BROWSER).text)
    assert all(path.startswith(f"{root}/") for path in [*shown, *list(told.values())[1:]])
    assert {client.get(path).status_code for path in shown if path != f"{root}/readyz"} == {200}


def commands(page: str) -> list[str]:
    """What the page says is to be typed, as a browser shows it."""
    return [unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]


def test_the_walk_is_the_readmes_at_the_address_that_was_asked() -> None:
    walk = re.findall(r"```sh\n(.*?)\n```", README.partition("\n## A first walk\n")[2], re.DOTALL)
    page = unopened().get("http://school.example:8080/", headers=BROWSER).text
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
def test_a_strange_host_becomes_neither_command_nor_markup(host: str, quoted: str) -> None:
    page = unopened().get("/", headers={**BROWSER, "Host": host}).text
    assert [f"curl -s {quoted}/" in command for command in commands(page)] == [True] * 4
    assert "<script" not in page
    assert "b&c" not in page
