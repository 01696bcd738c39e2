"""Cursors: they go round unchanged, and anything else is told to be no cursor."""

from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from bson import ObjectId
from fastapi import Request, Response

from core.api.pagination import Listing, PageQuery, _check, decode_cursor, encode_cursor
from core.database.keyset import Page, SortKey, Window, object_id
from core.errors import InvalidRequest
from core.routing.router import PublicRouter
from tests.conftest import AppClient, sign_in
from tests.core.stubs import stub, unopened

SCOPE = "things by name"
RANK = SortKey("rank", descending=True, nullable=True, parse=int)
THINGS = Listing(SCOPE, (RANK, SortKey("name"), SortKey("_id", parse=object_id)))
ID = "6921c0ffee6921c0ffee6921"
CURSOR = encode_cursor(SCOPE, "S101")


@pytest.mark.parametrize("length", range(1, 9))
@pytest.mark.parametrize("character", ["a", "~", "é", "\U0001f600", '"', "\\", "\0", "\n"])
def test_a_cursor_goes_round(character: str, length: int) -> None:
    key = character * length
    cursor = encode_cursor(SCOPE, key)
    assert decode_cursor(SCOPE, cursor) == key
    assert quote(cursor, safe="") == cursor, "a cursor stands in an address as it is"


def forged(key: bytes) -> str:
    """A cursor whose check is right: anyone who reads the source can make one."""
    return urlsafe_b64encode(_check(SCOPE, key) + key).decode().rstrip("=")


TAMPERED = {
    "empty": "",
    "one character": "A",
    "no base64": "????",
    "not ASCII": "é" * 12,
    "a lone surrogate": "\ud800",
    "a digit": "٣" * 12,
    "cut": CURSOR[:-2],
    "cut to the check": CURSOR[:8],
    "begun late": CURSOR[1:],
    "turned round": CURSOR[::-1],
    "in lower case": CURSOR.lower(),
    "changed at first": "A" + CURSOR[1:],
    "longer": CURSOR + "AAAA",
    "twice": CURSOR * 2,
    "huge": "A" * 1_000_000,
    "with what is no base64": CURSOR[:4] + "!?" + CURSOR[4:],
    "of another list": encode_cursor("students by name", "S101"),
    "of a list with a longer name": encode_cursor(SCOPE + " ", "S101"),
    "forged: not UTF-8": forged(b"\xff"),
    "forged: a lone surrogate": forged("\ud800".encode(errors="surrogatepass")),
}


@pytest.mark.parametrize("cursor", TAMPERED.values(), ids=TAMPERED)
def test_anything_else_is_no_cursor(cursor: str) -> None:
    refuse(cursor)


def refuse(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        THINGS.window(PageQuery.model_construct(cursor=cursor))

    (error,) = raised.value.errors
    assert (error.parameter, error.pointer) == ("cursor", None)


# Positions that no record can have, in a cursor whose check is right.
IMPOSSIBLE = {
    "no JSON": "x",
    "no list": "5",
    "empty": "[]",
    "too short": '[false, "1", "a"]',
    "too long": f'[false, "1", "a", "{ID}", "b"]',
    "a number for text": f'[false, "1", 5, "{ID}"]',
    "null for what all have": f'[false, "1", null, "{ID}"]',
    "a list for text": f'[false, "1", ["a"], "{ID}"]',
    "an operator": f'[false, "1", {{"$gt": ""}}, "{ID}"]',
    "no number": f'[false, "x", "a", "{ID}"]',
    "no id": '[false, "1", "a", "x"]',
    "a lone surrogate": f'[false, "1", "\\ud800", "{ID}"]',
    "nested without end": "[" * 100_000,
}


@pytest.mark.parametrize("text", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_made_up_position_is_no_cursor(text: str) -> None:
    refuse(encode_cursor(SCOPE, text))


@pytest.mark.parametrize("rank", [7, None])
@pytest.mark.parametrize("relation", ["next", "prev"])
def test_a_link_leads_to_where_its_record_stands(rank: int | None, relation: str) -> None:
    record = {"rank": rank, "name": 'Zoë, "\\', "_id": ObjectId(ID)}

    links = linked(Page([record], has_previous=True, has_next=True), "/things")
    (cursor,) = parse_qs(urlsplit(links[relation]["url"]).query)["cursor"]

    window = THINGS.window(PageQuery(limit=3, cursor=cursor))
    assert window == Window(THINGS.order, 3, (rank, 'Zoë, "\\', ObjectId(ID)), backwards=relation == "prev")


@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "cursor=%00", "cursor=%FF", "cursor=" + "A" * 1999])
def test_a_wrong_cursor_is_a_wrong_parameter(open_client: AppClient, query: str) -> None:
    answer = sign_in(open_client()).get(f"/students?{query}")
    assert (answer.status_code, [error["parameter"] for error in answer.json()["errors"]]) == (422, ["cursor"])


def linked(page: Page[Any], address: str) -> dict[str, dict[str, str]]:
    """The links of an answer to a request for this address."""
    router = PublicRouter()

    @router.get("/things")
    async def things(request: Request, response: Response) -> None:
        THINGS.link(page, request, response)

    links = unopened(stub(public_router=router)).get(address).links
    return {relation or "": link for relation, link in links.items()}


MIDDLE = Page([{"rank": 1, "name": "a", "_id": ObjectId(ID)}], has_previous=True, has_next=True)


def test_links_keep_every_other_parameter() -> None:
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
    ("page", "address", "relations"),
    [
        (Page([], has_previous=False, has_next=False), "/things", set()),
        (Page(MIDDLE.items, has_previous=False, has_next=False), "/things", set()),
        (Page(MIDDLE.items, has_previous=False, has_next=True), "/things", {"next"}),
        (Page(MIDDLE.items, has_previous=True, has_next=False), "/things?cursor=x", {"prev", "first"}),
        (Page([], has_previous=False, has_next=False), "/things?cursor=x", {"first"}),
    ],
)
def test_a_page_links_only_to_what_there_is(page: Page[Any], address: str, relations: set[str]) -> None:
    assert set(linked(page, address)) == relations


def test_the_first_page_of_a_plain_list_has_no_query() -> None:
    assert linked(MIDDLE, "/things?cursor=x")["first"]["url"] == "/things"
