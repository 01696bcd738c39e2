"""A small module that keeps every contract, and can be changed to violate one."""

from collections.abc import Callable
from secrets import token_hex
from typing import Annotated, Any

from beanie import Document
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict
from pymongo import IndexModel

from core.api.conditional_requests import ETAG, NOT_MODIFIED, Expected, IfNoneMatch
from core.api.documented_responses import problem_responses
from core.api.pagination import LINK, CursorNotFound, PageQuery
from core.api.request_body import RequestBody
from core.errors import Forbidden, NotFound, PreconditionFailed, PreconditionRequired
from core.identity import Role, at_least
from core.module import Module
from core.routing.router import ProtectedRouter, PublicRouter

EXAMPLE = ConfigDict(json_schema_extra={"examples": [{"text": "Bring the keys"}]})

Declare = Callable[[ProtectedRouter, APIRouter], None]
"""A function that adds a route to a module's protected router, or to its public one."""


class Note(Document):
    text: str

    class Settings:
        name = "notes"
        indexes = [IndexModel("text", name="text_unique", unique=True)]


class NoteRead(BaseModel):
    """A note."""

    model_config = EXAMPLE

    text: str


class NoteWrite(RequestBody):
    """The new content of a note."""

    model_config = EXAMPLE

    text: str


class NoteNotFound(NotFound):
    """There is no such note.

    Find its number in the list.
    """


TeacherOnly = at_least(Role.TEACHER)
NumberInPath = Annotated[int, Path(description="The note's number.", examples=[1])]
WRITE = (Forbidden, NoteNotFound, PreconditionFailed, PreconditionRequired)


def notes_module(declare: Declare | None = None, **changes: Any) -> Module:
    """Return the module, with a further route or a changed declaration that violates a contract."""
    router, public = ProtectedRouter(), PublicRouter()
    _declare_valid_routes(router)
    if declare:
        declare(router, public)
    declared = {"description": "What to remember.", "router": router, "public_router": public, "documents": (Note,)}
    return Module(**{"name": "notes", **declared, **changes})


def _declare_valid_routes(router: ProtectedRouter) -> None:
    @router.get("/notes", responses={200: {"headers": LINK}, **problem_responses(CursorNotFound)})
    async def list_(query: Annotated[PageQuery, Query()]) -> list[NoteRead]:
        """List notes."""
        return []

    @router.get(
        "/notes/{number}", responses={200: {"headers": ETAG}, **NOT_MODIFIED, **problem_responses(NoteNotFound)}
    )
    async def get(number: NumberInPath, known: IfNoneMatch) -> NoteRead:
        """Read a note."""
        return NoteRead(text=str(number))

    @router.put(
        "/notes/{number}",
        dependencies=[TeacherOnly],
        responses={200: {"headers": ETAG}, **problem_responses(*WRITE)},
    )
    async def replace(number: NumberInPath, data: NoteWrite, expects: Expected) -> NoteRead:
        """Replace a note."""
        return NoteRead(text=data.text)

    @router.post(
        "/notes/{number}/copy", dependencies=[TeacherOnly], responses=problem_responses(Forbidden, NoteNotFound)
    )
    async def copy(number: NumberInPath) -> NoteRead:
        """Copy a note."""
        return NoteRead(text=token_hex())

    @router.delete(
        "/notes/{number}",
        status_code=204,
        response_class=Response,
        dependencies=[TeacherOnly],
        responses=problem_responses(*WRITE),
    )
    async def delete(number: NumberInPath, expects: Expected) -> None:
        """Delete a note."""
