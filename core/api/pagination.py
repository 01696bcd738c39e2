"""Pages of a list over HTTP: the query parameters, opaque cursors, and the `Link` header that leads on and back."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict

from core.api.documented_responses import header
from core.database import Order, Page, Position, SortKey, Window, position_of
from core.errors import FieldError, InvalidRequest

_CHECK_BYTES = 6


class PageQuery(BaseModel):
    """The query parameters of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Query(ge=1, le=500, description="The most records in one page.")] = 100
    cursor: Annotated[
        str | None,
        Query(
            max_length=4000,
            description="Where the page begins: taken from the `Link` header.",
            examples=["RGllIFBsYXR6IQ"],
        ),
    ] = None


LINK = header(
    "Link",
    "The addresses of the `next` and the `prev` page, where there is one, and of the `first` on any other: "
    '`<…>; rel="next"` (RFC 8288).',
    example='</students?limit=100&cursor=eIm0sPZ3MTI>; rel="next"',
)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as clients page through it: its name, which binds cursors to this list alone (to its filters and its
    sort too, where it has any), and its order."""

    name: str
    order: Order

    def window(self, query: PageQuery) -> Window:
        """The page that is asked for; raises `InvalidRequest` for a cursor that is not one of this list's."""
        if query.cursor is None:
            return Window(self.order, query.limit)
        try:
            backwards, *values = json.loads(decode_cursor(self.name, query.cursor))
            position = tuple(_read(key, value) for key, value in zip(self.order, values, strict=True))
        except (ValueError, TypeError, RecursionError):
            raise _wrong_cursor() from None
        return Window(self.order, query.limit, position, backwards=backwards is True)

    def link(self, page: Page[Any], request: Request, response: Response) -> None:
        """Let the answer's `Link` lead to the pages around this one."""
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
        position: Position = position_of(self.order, record)
        values = [None if value is None else key.write(value) for key, value in zip(self.order, position, strict=True)]
        return encode_cursor(self.name, json.dumps([backwards, *values], ensure_ascii=False, separators=(",", ":")))


def _read(key: SortKey, value: Any) -> Any:
    """A key's value out of a cursor, which anyone can make up."""
    if value is None and key.nullable:
        return None
    if not isinstance(value, str):
        raise TypeError(value)
    return key.parse(value)


def encode_cursor(scope: str, key: str) -> str:
    """An opaque cursor that holds `key`, good only for the list that `scope` names."""
    text = key.encode()
    return urlsafe_b64encode(_check(scope, text) + text).decode().rstrip("=")


def decode_cursor(scope: str, cursor: str) -> str:
    """The key that `encode_cursor` was given; raises `ValueError` for anything else."""
    raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if check != _check(scope, text):
        raise ValueError(cursor)
    return text.decode()


def _wrong_cursor() -> InvalidRequest:
    detail = "This cursor is not one of this list's. Begin again without it."
    return InvalidRequest(errors=[FieldError(detail=detail, parameter="cursor")])


def _check(scope: str, text: bytes) -> bytes:
    # Against mistakes, not against forgers: a cursor grants nothing that its list does not.
    return blake2b(scope.encode() + b"\0" + text, digest_size=_CHECK_BYTES).digest()


def _link(request: Request, relation: str, cursor: str | None) -> str:
    """A link that keeps every other query parameter. The address is relative: it holds whatever host and scheme the
    client used."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query += [("cursor", cursor)] if cursor else []
    return f'<{quote(request.url.path)}{"?" if query else ""}{urlencode(query)}>; rel="{relation}"'
