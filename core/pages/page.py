"""What the pages have in common: templates in which everything is escaped, and headers that allow little."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from html import escape
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from pydantic_core import to_json

from core.pages.content_negotiation import prefers_html

_TEMPLATES = Path(__file__).parent / "templates"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Page(HTMLResponse):
    """A page that loads style sheets and pictures of this host, and nothing else; no script runs in it."""

    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )

    def __init__(self, content: Html) -> None:
        super().__init__(content, headers={"Content-Security-Policy": self.policy})


def fill(template: str, **values: str) -> Html:
    """The template with a value for each `{{name}}`, escaped unless it is `Html`."""

    def value(found: re.Match[str]) -> str:
        text = values[found[1]]
        return text if isinstance(text, Html) else escape(text)

    return Html(re.sub(r"\{\{(\w+)\}\}", value, template))


def fill_each(template: str, rows: Iterable[dict[str, str]]) -> Html:
    """The template filled for each row, one after the other."""
    return Html("".join(fill(template, **row) for row in rows))


@cache
def template(name: str) -> str:
    """The template in the file of this name."""
    return (_TEMPLATES / f"{name}.html").read_text(encoding="utf-8")


def framed(request: Request, title: str, content: Html) -> Html:
    """A whole page: what all of them begin with, and this content."""
    return fill(template("frame"), root=root_of(request), title=title, content=content)


def root_of(request: Request) -> str:
    """The prefix under which a proxy serves us, to stand before our own addresses."""
    return str(request.scope.get("root_path", ""))


def negotiated(request: Request, data: object, page: Callable[[], Html]) -> Response:
    """The page for a browser; `data` as JSON for a program."""
    accept = ",".join(request.headers.getlist("Accept"))
    answer = Page(page()) if prefers_html(accept) else Response(to_json(data), media_type="application/json")
    answer.headers["Vary"] = "Accept"
    return answer
