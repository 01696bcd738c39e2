"""Tests of cursors and page links: a cursor is decoded unchanged, and anything else is refused."""

from base64 import urlsafe_b64encode
from typing import Annotated, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from bson import ObjectId
from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict

from core.api.pagination import CursorNotFound, Listing, PageQuery, _check, decode_cursor, encode_cursor
from core.database.keyset import Page, SortKey, Window, object_id
from core.routing.router import PublicRouter
from tests.conftest import AppClient, sign_in
from tests.core.stubs import stub, unstarted_client

SCOPE = "things by name"
RANK = SortKey("rank", descending=True, nullable=True, parse=int)
THINGS = Listing(SCOPE, (RANK, SortKey("name"), SortKey("_id", parse=object_id)))
ID = "6921c0ffee6921c0ffee6921"
CURSOR = encode_cursor(SCOPE, "S101")


@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("character", ["a", "~", "é", "\U0001f600", '"', "\\", "\0", "\n"])
def test_a_cursor_is_decoded_unchanged(character: str, length: int) -> None:
    key = character * length
    cursor = encode_cursor(SCOPE, key)
    assert decode_cursor(SCOPE, cursor) == key
    assert quote(cursor, safe="") == cursor, "a cursor needs no encoding in a URL"


def forged(key: bytes) -> str:
    """Return a cursor with a valid checksum. Anyone who reads the source code can make one."""
    return urlsafe_b64encode(_check(SCOPE, key) + key).decode().rstrip("=")


TAMPERED = {
    "empty": "",
    "one character": "A",
    "not base64": "????",
    "not ASCII": "é" * 12,
    "a lone surrogate": "\ud800",
    "a digit": "٣" * 12,
    "cut": CURSOR[:-2],
    "cut to the checksum": CURSOR[:8],
    "without its first character": CURSOR[1:],
    "reversed": CURSOR[::-1],
    "in lower case": CURSOR.lower(),
    "with another first character": "A" + CURSOR[1:],
    "longer": CURSOR + "AAAA",
    "twice": CURSOR * 2,
    "huge": "A" * 1_000_000,
    "with characters that are not base64": CURSOR[:4] + "!?" + CURSOR[4:],
    "of another list": encode_cursor("students by name", "S101"),
    "of a list with a longer name": encode_cursor(SCOPE + " ", "S101"),
    "forged: not UTF-8": forged(b"\xff"),
    "forged: a lone surrogate": forged("\ud800".encode(errors="surrogatepass")),
}


@pytest.mark.parametrize("cursor", TAMPERED.values(), ids=TAMPERED)
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    assert_refused(cursor)


def assert_refused(cursor: str) -> None:
    with pytest.raises(CursorNotFound) as raised:
        THINGS.window(PageQuery.model_construct(cursor=cursor))

    (error,) = raised.value.errors
    assert (error.parameter, error.pointer) == ("cursor", None)


# Positions that no record can have, for cursors with a valid checksum.
IMPOSSIBLE = {
    "not JSON": "x",
    "not a list": "5",
    "empty": "[]",
    "too short": '[false, "1", "a"]',
    "too long": f'[false, "1", "a", "{ID}", "b"]',
    "a number for text": f'[false, "1", 5, "{ID}"]',
    "null for a required field": f'[false, "1", null, "{ID}"]',
    "a list for text": f'[false, "1", ["a"], "{ID}"]',
    "an operator": f'[false, "1", {{"$gt": ""}}, "{ID}"]',
    "not a number": f'[false, "x", "a", "{ID}"]',
    "not an id": '[false, "1", "a", "x"]',
    "a lone surrogate": f'[false, "1", "\\ud800", "{ID}"]',
    "nested without end": "[" * 100_000,
}


@pytest.mark.parametrize("text", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_cursor_with_an_impossible_position_is_refused(text: str) -> None:
    assert_refused(encode_cursor(SCOPE, text))


@pytest.mark.parametrize("rank", [7, None])
@pytest.mark.parametrize("relation", ["next", "prev"])
def test_a_link_has_the_position_of_its_record(rank: int | None, relation: str) -> None:
    record = {"rank": rank, "name": 'Zoë, "\\', "_id": ObjectId(ID)}

    links = linked(Page([record], has_previous=True, has_next=True), "/things")
    (cursor,) = parse_qs(urlsplit(links[relation]["url"]).query)["cursor"]

    window = THINGS.window(PageQuery(limit=3, cursor=cursor))
    assert window == Window(THINGS.order, 3, (rank, 'Zoë, "\\', ObjectId(ID)), backwards=relation == "prev")


@pytest.mark.parametrize(
    ("cursor", "status"),
    [
        *((one, 422) for one in ("x", "", "%00", "%FF", "A" * 2501)),
        *((one, 404) for one in ("A" * 8, "A" * 2500, CURSOR)),
    ],
)
def test_the_error_for_an_invalid_cursor_names_the_parameter(open_client: AppClient, cursor: str, status: int) -> None:
    answer = sign_in(open_client()).get(f"/students?cursor={cursor}")
    assert (answer.status_code, [error["parameter"] for error in answer.json()["errors"]]) == (status, ["cursor"])


class Anything(BaseModel):
    """Any parameters."""

    model_config = ConfigDict(extra="allow")


def linked(page: Page[Any], url: str) -> dict[str, dict[str, str]]:
    """Return the links of the response to a request for this URL."""
    router = PublicRouter()

    @router.get("/things")
    async def things(request: Request, response: Response, _: Annotated[Anything, Query()]) -> None:
        THINGS.link(page, request, response)

    links = unstarted_client(stub(public_router=router)).get(url).links
    return {relation or "": link for relation, link in links.items()}


MIDDLE = Page([{"rank": 1, "name": "a", "_id": ObjectId(ID)}], has_previous=True, has_next=True)


def test_links_keep_all_other_parameters() -> None:
    links = linked(MIDDLE, "/things?branch=a%26b&branch=c&limit=2&cursor=old&name=%C3%A9")

    assert set(links) == {"next", "prev", "first"}
    for relation, link in links.items():
        parts = urlsplit(link["url"])
        assert (parts.netloc, parts.path) == ("", "/things")
        query = parse_qs(parts.query)
        assert ("cursor" in query) == (relation != "first")
        query.pop("cursor", None)
        assert query == {"branch": ["a&b", "c"], "limit": ["2"], "name": ["é"]}


@pytest.mark.parametrize(
    ("page", "url", "relations"),
    [
        (Page([], has_previous=False, has_next=False), "/things", set()),
        (Page(MIDDLE.items, has_previous=False, has_next=False), "/things", set()),
        (Page(MIDDLE.items, has_previous=False, has_next=True), "/things", {"next"}),
        (Page(MIDDLE.items, has_previous=True, has_next=False), "/things?cursor=x", {"prev", "first"}),
        (Page([], has_previous=False, has_next=False), "/things?cursor=x", {"first"}),
    ],
)
def test_a_page_links_only_to_pages_that_exist(page: Page[Any], url: str, relations: set[str]) -> None:
    assert set(linked(page, url)) == relations


def test_the_link_to_the_first_page_has_no_query() -> None:
    assert linked(MIDDLE, "/things?cursor=x")["first"]["url"] == "/things"
