"""The addresses of student records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic_core import to_json

from core.api import (
    ETAG,
    ETAG_EXAMPLE,
    LINK,
    NOT_MODIFIED,
    IfNoneMatch,
    Listing,
    also_as_merge_patch,
    header,
    not_modified,
    problem_responses,
    strong_etag,
)
from core.database import Batcher, Page
from core.errors import Forbidden
from core.identity import CurrentUser, Role
from core.routing import ProtectedRouter
from modules.students import service
from modules.students.changes.router import router as changes_router
from modules.students.erasure import service as erasure
from modules.students.erasure.router import router as erasure_router
from modules.students.history.router import router as history_router
from modules.students.listing import pages
from modules.students.listing.pages import Row
from modules.students.marks_router import router as marks_router
from modules.students.query import DeleteQuery, StudentQuery
from modules.students.records import store
from modules.students.records.store import RollNoTaken, StudentNotFound, Writer
from modules.students.responses import (
    CONDITIONAL,
    LOCATION,
    WRITER,
    CurrentWriter,
    RollNoInPath,
    answer,
    read,
    with_location,
)
from modules.students.schemas import Rename, StudentCreate, StudentPart, StudentPatch, StudentRead, StudentReplace

router = ProtectedRouter()

DELETED_ETAG = header("ETag", "Names the deleted state; nothing does after `purge=true`.", example=ETAG_EXAMPLE)
TOTAL = header("Total-Count", "How many students are selected, where `count=true` asks for it.", example=1905)


@router.post(
    "/students",
    status_code=201,
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={201: {"headers": LOCATION | ETAG}, **problem_responses(Forbidden, RollNoTaken)},
)
async def create(user: CurrentUser, data: StudentCreate, request: Request) -> Response:
    """Create a student.

    One who was deleted goes on with the versions of before.
    """
    student = await service.create(data, Writer(user.username))
    return with_location(read(student, 201), student, request)


@router.get(
    "/students",
    response_model=list[StudentRead] | list[StudentPart],
    responses={200: {"headers": LINK | TOTAL}},
)
async def list_(query: Annotated[StudentQuery, Query()], request: Request) -> Response:
    """List students, filtered and sorted, page by page.

    Walking all pages by the `next` links meets every student who stays as they are exactly once, whatever others do
    meanwhile.
    """
    shown = await _show_page(query, key=request.scope["query_string"])
    response = Response(shown.students, media_type="application/json")
    shown.listing.link(shown.page, request, response)
    if shown.total is not None:
        response.headers["Total-Count"] = str(shown.total)
    return response


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page of a list, and its students as JSON."""

    listing: Listing
    page: Page[Row]
    students: bytes
    total: int | None


async def _show(queries: Sequence[StudentQuery]) -> list[_Shown]:
    """The page for all who ask for the same."""
    query = queries[0]
    students = Listing(f"students {query.name}", query.order)
    fields = query.chosen
    page = await pages.list_(query, students.window(query), fields)
    # What the database holds was checked on its way in: it is written as it is.
    rows = to_json([{field: row[field] for field in fields} for row in page.items])
    shown = _Shown(students, page, rows, await pages.count(query) if query.count else None)
    return [shown] * len(queries)


# Many look at the same page at the same moment: the first one, at nine in the morning.
_show_page = Batcher(_show)


@router.get(
    "/students/{roll_no}",
    response_model=StudentRead,
    responses={200: {"headers": ETAG}, **NOT_MODIFIED, **problem_responses(StudentNotFound)},
)
async def get(roll_no: RollNoInPath, known: IfNoneMatch) -> Response:
    """Read one student."""
    stored = await store.read(roll_no)
    etag = strong_etag(stored["_id"], stored["version"])
    return not_modified(etag, known) or answer(stored, etag)


@router.put(
    "/students/{roll_no}",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={
        200: {"headers": ETAG},
        201: {"description": "Created.", "model": StudentRead, "headers": LOCATION | ETAG},
        **problem_responses(*CONDITIONAL),
    },
)
async def replace(writer: CurrentWriter, roll_no: RollNoInPath, data: StudentReplace, request: Request) -> Response:
    """Replace a student's record.

    With `If-None-Match: *` it creates the student instead, and fails if there is one.
    """
    student, created = await service.put(roll_no, data, writer)
    return with_location(read(student, 201), student, request) if created else read(student)


@router.patch(
    "/students/{roll_no}",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL)},
    openapi_extra=also_as_merge_patch(StudentPatch),
)
async def patch(writer: CurrentWriter, roll_no: RollNoInPath, data: StudentPatch) -> Response:
    """Change some of a student's record.

    The body is a JSON merge patch (RFC 7396): what it leaves out stays, and a subject with null loses its mark.
    """
    return read(await service.patch(roll_no, data, writer))


@router.delete(
    "/students/{roll_no}",
    status_code=204,
    response_class=Response,
    dependencies=[WRITER],
    responses={204: {"headers": DELETED_ETAG}, **problem_responses(*CONDITIONAL)},
)
async def delete(
    user: CurrentUser, writer: CurrentWriter, roll_no: RollNoInPath, query: Annotated[DeleteQuery, Query()]
) -> Response:
    """Delete a student.

    The history is kept, and `POST /students/{roll_no}/restore` brings the student back. The `ETag` is that of the
    deleted state. An admin can erase both for good, also of a student who is deleted already, with `purge=true`.
    """
    if query.purge:
        user.require(Role.ADMIN)
        await erasure.erase(roll_no, writer)
        return Response(status_code=204)
    student = await service.delete(roll_no, writer)
    return Response(status_code=204, headers={"ETag": student.etag})


@router.post(
    "/students/{roll_no}/rename",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={200: {"headers": LOCATION | ETAG}, **problem_responses(*CONDITIONAL, RollNoTaken)},
)
async def rename(writer: CurrentWriter, roll_no: RollNoInPath, data: Rename, request: Request) -> Response:
    """Give a student another roll number.

    The history goes with the student.
    """
    student = await service.rename(roll_no, data.roll_no, writer)
    return with_location(read(student), student, request)


router.include_router(marks_router)
router.include_router(history_router)
router.include_router(changes_router)
router.include_router(erasure_router)
