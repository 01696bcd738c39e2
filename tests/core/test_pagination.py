"""Cursors: they go round unchanged, and anything else is told to be no cursor."""

from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fastapi import APIRouter, Request, Response

from core.errors import InvalidRequest
from core.pagination import _check, _link_next, decode_cursor, encode_cursor
from tests.conftest import AppClient, sign_in
from tests.core.stubs import stub, unopened

SCOPE = "things by name"
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
    with pytest.raises(InvalidRequest) as raised:
        decode_cursor(SCOPE, cursor)
    (error,) = raised.value.errors
    assert (error.parameter, error.pointer) == ("cursor", None)
    assert error.detail == "This cursor is not one of this list's. Begin again without it."


@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "cursor=%00", "cursor=%FF", "cursor=" + "A" * 1999])
def test_a_wrong_cursor_is_a_wrong_parameter(open_client: AppClient, query: str) -> None:
    answer = sign_in(open_client()).get(f"/students?{query}")
    assert (answer.status_code, [error["parameter"] for error in answer.json()["errors"]]) == (422, ["cursor"])


def test_the_link_keeps_every_other_parameter() -> None:
    router = APIRouter()

    @router.get("/things")
    async def things(request: Request, response: Response) -> None:
        _link_next(request, response, CURSOR)

    link = (
        unopened(stub(public_router=router)).get("/things?branch=a%26b&limit=2&cursor=old&name=%C3%A9").headers["Link"]
    )
    address, relation = link.split("; ")
    assert relation == 'rel="next"'
    parts = urlsplit(address.strip("<>"))
    assert (parts.netloc, parts.path) == ("", "/things")
    assert parse_qs(parts.query) == {"branch": ["a&b"], "limit": ["2"], "cursor": [CURSOR], "name": ["é"]}


def test_the_link_keeps_a_parameter_that_is_given_twice() -> None:
    router = APIRouter()

    @router.get("/things")
    async def things(request: Request, response: Response) -> None:
        _link_next(request, response, CURSOR)

    link = unopened(stub(public_router=router)).get("/things?branch=a&branch=b").headers["Link"]
    assert f"branch=a&branch=b&cursor={CURSOR}" in link
