"""A response that exposes an internal field or id is found, in whatever form; a public id is no violation."""

from collections.abc import Callable
from secrets import token_hex
from typing import Annotated

import pytest
from beanie import PydanticObjectId
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from core.module import Module
from core.routing.router import ProtectedRouter
from tests.contract import live, notes
from tests.contract.conftest import started
from tests.contract.declaration import MongoDatabase
from tests.contract.notes import Note
from tests.contract.operations import operations_of

EXAMPLE_ID = "6921c0ffee6921c0ffee6921"


@pytest.fixture
def gaps(database: MongoDatabase, mongodb_url: str) -> Callable[[Module], list[str]]:
    """Return a function that finds the violations in the responses of a module."""

    def gaps(module: Module) -> list[str]:
        operations = operations_of(module)
        with started(module, database, mongodb_url) as client:
            session = live.Session(client, database)
            live.send_everything(session, operations)
        return sorted(
            f"{operation}: {gap}"
            for operation in operations
            for contract in live.CONTRACTS
            for gap in contract(operation, session)
        )

    return gaps


def answering(answer: Callable[[Note], Response], path: str = "/kept") -> notes.Declare:
    """Declare a route that stores a note, and returns a response about it."""

    def declare(router: ProtectedRouter, _: APIRouter) -> None:
        @router.get(path, name=path[1:])
        async def read_kept() -> Response:
            """Read a note that is kept."""
            return answer(await Note(text=token_hex()).insert())

    return declare


def read_by_id(router: ProtectedRouter, example: str) -> None:
    @router.get("/kept/{name}")
    async def read_by_id(name: Annotated[str, Path(examples=[example])]) -> dict[str, str]:
        """Read a note by its id."""
        note = await Note.get(PydanticObjectId(name)) if PydanticObjectId.is_valid(name) else None
        return {"text": note.text if note else "none"}


def test_a_valid_module_has_no_violations(gaps: Callable[[Module], list[str]]) -> None:
    assert gaps(notes.notes_module(answering(lambda note: JSONResponse({"text": note.text})))) == []


BODY = "the _id of a stored document in its body"
HEADERS = "the _id of a stored document in its headers"


LEAKS: list[tuple[Callable[[Note], Response], str]] = [
    (lambda _: JSONResponse({"notes": [{"_id": 1}]}), "the key _id"),
    (lambda _: JSONResponse([{"notes": {"revision_id": None}}]), "the key revision_id"),
    (lambda note: JSONResponse({"id": str(note.id)}), BODY),
    (lambda note: JSONResponse([[{str(note.id): 1}]], 409, media_type="application/problem+json"), BODY),
    (lambda note: Response(f"0{note.id}".upper(), media_type="text/plain"), BODY),
    (lambda _: Response("text,_id\nx,1\n", media_type="text/csv"), "the key _id"),
    (lambda _: Response('\ufefftext,"_id"\n', media_type="text/csv"), "the key _id"),
    (lambda _: Response('{"a": 1}\n{"_id": 1}\n', media_type="application/x-ndjson"), "the key _id"),
    (lambda _: Response('data: {"_id": 1}\n\n', media_type="text/event-stream"), "the key _id"),
    (lambda _: Response(headers={"Cache-Control": "max-age=60"}), "personal data to caches"),
    (lambda note: Response(headers={"ETag": f'"{note.id}-1"'}), HEADERS),
    (lambda _: Response(headers={"Link": '</kept?after=1>; rel="next"; key="_id"'}), "the key _id"),
]


def test_each_leak_is_found(gaps: Callable[[Module], list[str]]) -> None:
    def declare(router: ProtectedRouter, public: APIRouter) -> None:
        for number, (answer, _) in enumerate(LEAKS):
            answering(answer, f"/kept{number}")(router, public)

    found = gaps(notes.notes_module(declare))

    expected = [f"GET /kept{number}: exposes {leak}" for number, (_, leak) in enumerate(LEAKS)]
    assert [line for line in expected if line not in found] == []


@pytest.mark.parametrize(
    ("example", "found"),
    [(EXAMPLE_ID, []), ("kept", [f"GET /kept: exposes {BODY}"])],
    ids=["documented", "undocumented"],
)
def test_only_a_documented_path_may_contain_an_id(
    example: str, found: list[str], gaps: Callable[[Module], list[str]]
) -> None:
    def declare(router: ProtectedRouter, public: APIRouter) -> None:
        answering(lambda note: JSONResponse({"id": str(note.id)}))(router, public)
        read_by_id(router, example)

    assert gaps(notes.notes_module(declare)) == found


def test_an_id_that_does_not_name_a_document_there_is_found(gaps: Callable[[Module], list[str]]) -> None:
    def declare(router: ProtectedRouter, public: APIRouter) -> None:
        answering(lambda note: JSONResponse({"id": str(note.id)}))(router, public)

        @router.get("/kept/{name}")
        async def read_other(name: Annotated[str, Path(examples=[EXAMPLE_ID])]) -> Response:
            """Read something that is not a note."""
            return Response(status_code=200 if name == EXAMPLE_ID else 404)

    assert gaps(notes.notes_module(declare)) == [f"GET /kept: exposes {BODY}"]


def test_a_write_that_does_not_answer_its_example_is_found(gaps: Callable[[Module], list[str]]) -> None:
    def declare(router: ProtectedRouter, _: APIRouter) -> None:
        @router.put("/kept")
        async def write(data: notes.NoteWrite, shout: Annotated[bool, Query()] = False) -> Response:
            """Write a note."""
            return Response(status_code=409)

    assert gaps(notes.notes_module(declare)) == ["PUT /kept: answers none of its examples with success"]


def test_each_media_type_needs_an_example_that_succeeds(gaps: Callable[[Module], list[str]]) -> None:
    def declare(router: ProtectedRouter, _: APIRouter) -> None:
        patch = {"application/merge-patch+json": {"schema": {"$ref": "#/components/schemas/NoteWrite"}}}

        @router.put("/kept", openapi_extra={"requestBody": {"content": patch}})
        async def write(data: notes.NoteWrite, request: Request) -> Response:
            """Write a note."""
            return Response(status_code=409 if "patch" in request.headers["content-type"] else 200)

    assert gaps(notes.notes_module(declare)) == ["PUT /kept: answers none of its examples with success"]


def test_a_route_that_answers_no_example_is_found(gaps: Callable[[Module], list[str]]) -> None:
    silent = gaps(notes.notes_module(answering(lambda _: Response(status_code=404))))
    assert silent == ["GET /kept: answers none of its examples with success"]
