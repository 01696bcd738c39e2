"""Templates with escaping, and responses with a strict content security policy, for all HTML pages."""

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
    """Text that is already HTML and is not escaped again."""

    __slots__ = ()


class Page(HTMLResponse):
    """An HTML page that may load only style sheets and images of this host, and no scripts."""

    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )

    def __init__(self, content: Html) -> None:
        super().__init__(content, headers={"Content-Security-Policy": self.policy})


def fill(template: str, **values: str) -> Html:
    """Return the template with each `{{name}}` replaced by its value, escaped unless it is `Html`."""

    def value(found: re.Match[str]) -> str:
        text = values[found[1]]
        return text if isinstance(text, Html) else escape(text)

    return Html(re.sub(r"\{\{(\w+)\}\}", value, template))


def fill_each(template: str, rows: Iterable[dict[str, str]]) -> Html:
    """Return the concatenation of the template filled for each row."""
    return Html("".join(fill(template, **row) for row in rows))


@cache
def template(name: str) -> str:
    """Return the content of the template file with this name."""
    return (_TEMPLATES / f"{name}.html").read_text(encoding="utf-8")


def framed(request: Request, title: str, content: Html) -> Html:
    """Return a complete page with this content in the common frame."""
    return fill(template("frame"), root=root_of(request), title=title, content=content)


def root_of(request: Request) -> str:
    """Return the path prefix under which a proxy serves the app; links must start with it."""
    return str(request.scope.get("root_path", ""))


def negotiated(request: Request, data: object, page: Callable[[], Html]) -> Response:
    """Return the page for a browser, or `data` as JSON for other clients."""
    accept = ",".join(request.headers.getlist("Accept"))
    response = Page(page()) if prefers_html(accept) else Response(to_json(data), media_type="application/json")
    response.headers["Vary"] = "Accept"
    return response
