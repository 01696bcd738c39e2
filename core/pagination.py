"""Lists by keyset: a page continues behind the last key of the one before, at the same cost wherever it lies."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict

from core.errors import FieldError, InvalidRequest
from core.openapi import header

T = TypeVar("T")

_CHECK_BYTES = 6


class PageQuery(BaseModel):
    """The query parameters of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Query(ge=1, le=500, description="The most records in one page.")] = 100
    cursor: Annotated[
        str | None, Query(max_length=2000, description="Where the page begins: taken from the `Link` header.")
    ] = None


LINK = header("Link", 'The address of the next page, `<…>; rel="next"` (RFC 8288); absent on the last page.')


def encode_cursor(scope: str, key: str) -> str:
    """An opaque cursor behind `key`, good only for the list that `scope` names."""
    text = key.encode()
    return urlsafe_b64encode(_check(scope, text) + text).decode().rstrip("=")


def decode_cursor(scope: str, cursor: str) -> str:
    """The key that `encode_cursor` was given; raises `InvalidRequest` for anything else."""
    try:
        raw = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check != _check(scope, text):
            raise ValueError(cursor)
        return text.decode()
    except ValueError:
        raise _wrong_cursor() from None


def _wrong_cursor() -> InvalidRequest:
    detail = "This cursor is not one of this list's. Begin again without it."
    return InvalidRequest(errors=[FieldError(detail=detail, parameter="cursor")])


def _check(scope: str, text: bytes) -> bytes:
    # Against mistakes, not against forgers: a cursor grants nothing that its list does not.
    return blake2b(scope.encode() + b"\0" + text, digest_size=_CHECK_BYTES).digest()


@dataclass(frozen=True)
class Keyset(Generic[T]):
    """The order of a list: its name, which binds cursors to this list alone; the key of a record, behind which the
    next page continues; and what can be a key, since anyone can make up a cursor."""

    name: str
    key_of: Callable[[T], str]
    is_key: Callable[[str], bool] = bool

    def begin(self, page: PageQuery) -> str | None:
        """The key that the page begins behind; None for the first page. Raises `InvalidRequest` for a cursor that
        is not one of this list."""
        if page.cursor is None:
            return None
        key = decode_cursor(self.name, page.cursor)
        if not self.is_key(key):
            raise _wrong_cursor()
        return key

    def cut(self, found: list[T], page: PageQuery, request: Request, response: Response) -> list[T]:
        """The page itself, of what was found when one record more than `page.limit` was asked for. Where there is
        that one, the answer's `Link` leads behind the last record of the page."""
        if len(found) > page.limit:
            found = found[: page.limit]
            _link_next(request, response, encode_cursor(self.name, self.key_of(found[-1])))
        return found


def _link_next(request: Request, response: Response, cursor: str) -> None:
    """Point the answer at its next page, which keeps every other query parameter. The address is relative:
    it holds whatever host and scheme the client used."""
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    query = [*others, ("cursor", cursor)]
    response.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
