"""Pagination of lists: the query parameters, opaque cursors, and the `Link` header to the adjacent pages."""

import json
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from core.api.documented_responses import header
from core.api.text_fields import DocumentedPattern
from core.database import Order, Page, SortKey, Window, value_of
from core.errors import FieldError, NotFound

_CHECK_BYTES = 6

# Longer than any cursor: those of lists sorted by two texts of 200 characters are the longest.
_MAX_CURSOR = 2500
_FORM = "^[A-Za-z0-9_-]{8,}$"


def _check_form(cursor: str) -> str:
    if not re.fullmatch(_FORM, cursor):
        raise PydanticCustomError(
            "cursor_form", "This is not a cursor. Send it exactly as received, or start without one."
        )
    return cursor


Cursor = Annotated[
    str, StringConstraints(max_length=_MAX_CURSOR), AfterValidator(_check_form), DocumentedPattern(_FORM)
]
"""An opaque token that a list or a feed has issued, of `encode_cursor`."""


class CursorNotFound(NotFound):
    """This list has no such page: the cursor comes from another list, other filters or another sort order. Start again
    without it."""

    title = "Cursor not found"

    def __init__(self, detail: str, parameter: str) -> None:
        super().__init__(errors=[FieldError(code="cursor", detail=detail, parameter=parameter)])


class PageQuery(BaseModel):
    """The query parameters of a paginated list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Query(ge=1, le=500, description="The maximum number of records per page.")] = 100
    cursor: Annotated[
        Cursor | None,
        Query(
            description="The start of the page, as given in the `Link` header of another page.",
            examples=["RGllIFBsYXR6IQ"],
        ),
    ] = None


LINK = header(
    "Link",
    "The URLs of the `next` and the `prev` page, if they exist, and of the `first` page unless this is the first: "
    '`<…>; rel="next"` (RFC 8288).',
    example='</students?limit=100&cursor=eIm0sPZ3MTI>; rel="next"',
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A paginated list: its name, which binds its cursors to this list (and to its filters and sort order, if any), and
    its order."""

    name: str
    order: Order

    def window(self, query: PageQuery) -> Window:
        """Return the requested page; raise `CursorNotFound` if the cursor does not belong to this list."""
        if query.cursor is None:
            return Window(self.order, query.limit)
        try:
            backwards, *values = json.loads(decode_cursor(self.name, query.cursor))
            position = tuple(_read(key, value) for key, value in zip(self.order, values, strict=True))
        except (ValueError, TypeError, RecursionError):
            raise _wrong_cursor() from None
        return Window(self.order, query.limit, position, backwards=backwards is True)

    def link(self, page: Page[Any], request: Request, response: Response) -> None:
        """Set the response's `Link` header to the pages around this one."""
        links = ", ".join(self._links(page, request))
        if links:
            response.headers["Link"] = links

    def _links(self, page: Page[Any], request: Request) -> Iterator[str]:
        if page.has_next:
            yield _link(request, "next", self._cursor(page.items[-1], backwards=False))
        if page.has_previous:
            yield _link(request, "prev", self._cursor(page.items[0], backwards=True))
        if "cursor" in request.query_params:
            yield _link(request, "first", None)

    def _cursor(self, record: Any, *, backwards: bool) -> str:
        shown = [(key, value_of(record, key.shown)) for key in self.order]
        values = [None if value is None else key.write(value) for key, value in shown]
        return encode_cursor(self.name, json.dumps([backwards, *values], ensure_ascii=False, separators=(",", ":")))


def _read(key: SortKey, value: Any) -> Any:
    """Return a key's value from a cursor, which is untrusted input; raise `ValueError` or `TypeError`."""
    if value is None and key.nullable:
        return None
    if not isinstance(value, str):
        raise TypeError(value)
    return key.parse(value)


def encode_cursor(scope: str, key: str) -> str:
    """Return an opaque cursor that contains `key` and is valid only for the list that `scope` names."""
    text = key.encode()
    return urlsafe_b64encode(_check(scope, text) + text).decode().rstrip("=")


def decode_cursor(scope: str, cursor: str) -> str:
    """Return the key in a cursor of `encode_cursor`; raise `ValueError` if the cursor is invalid or of another list."""
    raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if check != _check(scope, text):
        raise ValueError(cursor)
    return text.decode()


def _wrong_cursor() -> CursorNotFound:
    detail = (
        "This is not a cursor of this list in this order and with these filters. Take one from the Link header of its "
        "pages, or start again without a cursor."
    )
    return CursorNotFound(detail, "cursor")


def _check(scope: str, text: bytes) -> bytes:
    # Detects mistakes, not forgery: a cursor gives no access beyond that to its list.
    return blake2b(scope.encode() + b"\0" + text, digest_size=_CHECK_BYTES).digest()


def _link(request: Request, relation: str, cursor: str | None) -> str:
    """Return a link with all other query parameters of the request. Its URL is relative, so it is valid for any host
    and scheme that the client uses."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query += [("cursor", cursor)] if cursor else []
    return f'<{quote(request.url.path)}{"?" if query else ""}{urlencode(query)}>; rel="{relation}"'
