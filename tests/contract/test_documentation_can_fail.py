"""Each contract on documentation finds a deliberate violation, and none in a module that keeps the contracts."""

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from core.api.documented_responses import Responses
from core.module import Module
from core.routing.router import ProtectedRouter
from tests.contract import documentation, notes
from tests.contract.documentation import CONTRACTS, violations
from tests.contract.operations import operations_of

VALID = notes.notes_module()


def gaps(module: Module) -> list[str]:
    """Return the violations in the documentation of a module."""
    operations = operations_of(module)
    return [gap for contract in CONTRACTS for gap in violations(contract, operations)]


def test_a_valid_module_has_no_violations() -> None:
    assert gaps(VALID) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *[("get", "/notes", status) for status in ("401", "500", "503")],
        *[("get", "/notes/{number}", status) for status in ("304", "404")],
        ("post", "/notes/{number}/copy", "409"),
        *[("put", "/notes/{number}", status) for status in ("400", "403", "412", "413", "422", "428")],
    ],
)
def test_an_undocumented_status_is_found(method: str, path: str, status: str) -> None:
    operations = operations_of(VALID)
    del operations[0].document["paths"][path][method]["responses"][status]

    (gap,) = {gap for contract in CONTRACTS for gap in violations(contract, operations)}

    assert gap.startswith(f"{method.upper()} {path}: does not document {status} (")


@pytest.mark.parametrize(
    ("method", "path", "status", "header"),
    [
        ("get", "/notes", "200", "Link"),
        ("get", "/notes", "401", "WWW-Authenticate"),
        ("get", "/notes", "503", "Retry-After"),
        ("get", "/notes/{number}", "200", "ETag"),
        ("get", "/notes/{number}", "304", "ETag"),
        ("put", "/notes/{number}", "412", "ETag"),
    ],
)
def test_an_undocumented_header_is_found(method: str, path: str, status: str, header: str) -> None:
    operations = operations_of(VALID)
    answer = operations[0].document["paths"][path][method]["responses"][status]
    del answer["headers"][header]

    assert violations(documentation.documents_headers, operations) == [
        f"{method.upper()} {path}: documents {status} without the header {header}"
    ]


def test_a_post_without_an_idempotency_key_is_found() -> None:
    def declare(router: ProtectedRouter, _: APIRouter) -> None:
        @router.post("/bare", openapi_extra={"requestBody": {"content": {"text/plain": {"example": "a text"}}}})
        async def read_own_body() -> notes.NoteRead:
            """Read the body in the function."""
            return notes.NoteRead(text="")

    operations = operations_of(notes.notes_module(declare))
    assert violations(documentation.takes_idempotency_keys, operations) == [
        "POST /bare: does not take an Idempotency-Key with a pattern",
        "POST /bare: does not document the reuse of an Idempotency-Key",
    ]


class Bare(BaseModel):
    text: str


def without_docstring(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare")
    async def list_bare() -> list[notes.NoteRead]:
        return []


def without_examples(router: ProtectedRouter, _: APIRouter) -> None:
    @router.put("/bare")
    async def put_bare(data: Bare) -> Bare:
        """Put something bare."""
        return data


def without_location(router: ProtectedRouter, _: APIRouter) -> None:
    @router.post("/notes", status_code=201)
    async def create(data: notes.NoteWrite) -> notes.NoteRead:
        """Create a note."""
        return notes.NoteRead(text=data.text)


def with_a_document(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare")
    async def read_bare() -> notes.Note:
        """Read something bare."""
        raise AssertionError


def with_a_foreign_tag(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare", tags=["others"])
    async def read_bare() -> notes.NoteRead:
        """Read something bare."""
        return notes.NoteRead(text="")


def with_an_odd_name(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare", operation_id="getBare")
    async def read_bare() -> notes.NoteRead:
        """Read something bare."""
        return notes.NoteRead(text="")


PLAIN_ERROR: Responses = {409: {"content": {"application/json": {"example": {"error": "taken"}}}}}


def with_a_plain_error(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare", responses=PLAIN_ERROR)
    async def read_bare() -> notes.NoteRead:
        """Read something bare."""
        return notes.NoteRead(text="")


def undocumented(router: ProtectedRouter, _: APIRouter) -> None:
    @router.get("/bare", include_in_schema=False)
    async def read_bare() -> notes.NoteRead:
        """Read something bare."""
        return notes.NoteRead(text="")


@pytest.mark.parametrize(
    ("declare", "gap"),
    [
        (without_docstring, "GET /bare: has no docstring that begins with a line such as 'Read a course.'"),
        (without_examples, "PUT /bare: has no example of its body as application/json"),
        (without_examples, "PUT /bare: has no example of its response 200"),
        (without_location, "POST /notes: documents 201 without the header Location"),
        (with_a_document, "GET /bare: has no example of its response 200"),
        (with_a_document, "GET /bare: exposes _id"),
        (with_a_foreign_tag, "GET /bare: its tags are ['notes', 'others'], not only the module's name"),
        (with_an_odd_name, "GET /bare: the operationId 'getBare' does not have the form notes-do-something"),
        (with_a_plain_error, "GET /bare: documents 409 as something other than application/problem+json"),
        (undocumented, "GET /bare: is not documented as protected"),
        (undocumented, "GET /bare: does not document 401 (it is protected)"),
    ],
)
def test_a_badly_documented_route_is_found(declare: notes.Declare, gap: str) -> None:
    assert gap in gaps(notes.notes_module(declare))


def test_a_module_without_a_description_is_found() -> None:
    module = notes.notes_module(description="")
    assert "GET /notes: its tag has no description" in gaps(module)


def test_a_public_route_is_found() -> None:
    def declare(_: ProtectedRouter, public: APIRouter) -> None:
        @public.get("/board")
        async def read_board() -> notes.NoteRead:
            """Read the board."""
            return notes.NoteRead(text="")

    assert "GET /board: is public: if it must be, say why in the module's exceptions" in gaps(
        notes.notes_module(declare)
    )
