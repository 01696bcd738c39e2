"""Routes of student records."""

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
    CursorNotFound,
    IfNoneMatch,
    Listing,
    also_as_merge_patch,
    header,
    location,
    not_modified,
    problem_responses,
    strong_etag,
    url_path,
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
from modules.students.listing.reader import StudentReader
from modules.students.marks_router import router as marks_router
from modules.students.merging.router import router as merging_router
from modules.students.models import Erasing
from modules.students.query import ETAG_FIELD, DeleteQuery, StudentQuery
from modules.students.records import store
from modules.students.records.store import RollNoTaken, StudentMerged, StudentNotFound, Writer
from modules.students.responses import (
    CONDITIONAL,
    LOCATION,
    SUBJECTS,
    WRITER,
    Continue,
    CurrentWriter,
    RollNoInPath,
    answer,
    read,
    with_location,
)
from modules.students.schemas import (
    ERASURE_ID_EXAMPLE,
    ErasureStatus,
    Rename,
    StudentCreate,
    StudentListItem,
    StudentPatch,
    StudentRead,
    StudentReplace,
)
from modules.students.service import OtherRollNo
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import accept_body
from modules.students.subjects.router import router as subjects_router

router = ProtectedRouter()

DELETED_ETAG = header("ETag", "Identifies the deleted state. Absent with `purge=true`.", example=ETAG_EXAMPLE)
ERASURE_LOCATION = location(f"/erasures/{ERASURE_ID_EXAMPLE}")
TOTAL = header("Total-Count", "The number of students that match the filters. Present with `count=true`.", example=1905)


@router.post(
    "/students",
    status_code=201,
    response_model=StudentRead,
    dependencies=[WRITER, SUBJECTS],
    responses={201: {"headers": LOCATION | ETAG}, **problem_responses(Forbidden, RollNoTaken, StudentMerged)},
)
async def create(user: CurrentUser, data: StudentCreate, request: Request, continues: Continue = False) -> Response:
    """Create a student.

    If a deleted student has this roll number, the new one still begins a record and a history of its own, unless
    `continue=true`: then that student is created again, and keeps the history.
    """
    data, stored_as = await accept_body(data)
    student = await service.create(data, Writer(user.username), continues=continues)
    return with_location(read(student, 201, stored_as), student, request)


@router.get(
    "/students",
    response_model=list[StudentListItem],
    responses={200: {"headers": LINK | TOTAL}, **problem_responses(CursorNotFound)},
)
async def list_(query: Annotated[StudentQuery, Query()], request: Request) -> Response:
    """List students, with filters, sort order and pagination.

    If you follow the `next` links, each student who does not change meanwhile is returned exactly once, even if other
    students are created, changed or deleted at the same time. With `roll_no`, all students are on one page, unless you
    set `limit`.
    """
    rendered = await _render_page(query, key=request.scope["query_string"])
    response = Response(rendered.students, media_type="application/json")
    rendered.listing.link(rendered.page, request, response)
    if rendered.total is not None:
        response.headers["Total-Count"] = str(rendered.total)
    return response


@dataclass(frozen=True, slots=True)
class _RenderedPage:
    """A page of the list, with its students serialized as JSON."""

    listing: Listing
    page: Page[Row]
    students: bytes
    total: int | None


async def _render_pages(queries: Sequence[StudentQuery]) -> list[_RenderedPage]:
    """Read one page for several equal queries."""
    query = queries[0]
    await SubjectCatalog.read()  # for the names of subjects in `sort`
    students = Listing(f"students {query.name}", query.order)
    fields = query.chosen
    page = await pages.list_(query, students.window(query), query.stored)
    if ETAG_FIELD in fields:
        for row in page.items:
            row[ETAG_FIELD] = strong_etag(row["_id"], row["version"])
    # Stored values were validated when written, so they are serialized without validation.
    rows = to_json([{field: row[field] for field in fields} for row in page.items])
    rendered = _RenderedPage(students, page, rows, await StudentReader(query).count() if query.count else None)
    return [rendered] * len(queries)


# Concurrent requests for the same page, usually the first one, share one query.
_render_page = Batcher(_render_pages)


@router.get(
    "/students/{roll_no}",
    response_model=StudentRead,
    responses={200: {"headers": ETAG}, **NOT_MODIFIED, **problem_responses(StudentNotFound)},
)
async def get(roll_no: RollNoInPath, known: IfNoneMatch) -> Response:
    """Get a student."""
    stored = await store.read(roll_no)
    etag = strong_etag(stored["_id"], stored["version"])
    return not_modified(etag, known) or answer(stored, etag)


@router.put(
    "/students/{roll_no}",
    response_model=StudentRead,
    dependencies=[WRITER, SUBJECTS],
    responses={
        200: {"headers": ETAG},
        201: {"description": "Created.", "model": StudentRead, "headers": LOCATION | ETAG},
        **problem_responses(*CONDITIONAL, OtherRollNo, StudentMerged),
    },
)
async def replace(
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    data: StudentReplace,
    request: Request,
    continues: Continue = False,
) -> Response:
    """Replace a student's record.

    With `If-None-Match: *`, create the student instead, as `POST /students` does; the request fails if the student
    exists.
    """
    data, stored_as = await accept_body(data)
    student, created = await service.put(roll_no, data, writer, continues=continues)
    if created:
        return with_location(read(student, 201, stored_as), student, request)
    return read(student, stored_as=stored_as)


@router.patch(
    "/students/{roll_no}",
    response_model=StudentRead,
    dependencies=[WRITER, SUBJECTS],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL, OtherRollNo)},
    openapi_extra=also_as_merge_patch(StudentPatch),
)
async def patch(writer: CurrentWriter, roll_no: RollNoInPath, data: StudentPatch) -> Response:
    """Update some fields of a student.

    The body is a JSON merge patch (RFC 7396): fields that it leaves out are not changed, and a mark of null deletes the
    mark.
    """
    data, stored_as = await accept_body(data)
    return read(await service.patch(roll_no, data, writer), stored_as=stored_as)


@router.delete(
    "/students/{roll_no}",
    status_code=204,
    response_class=Response,
    dependencies=[WRITER],
    responses={
        202: {
            "description": "With `purge=true`: the student is gone for all users, but a module of the service has not "
            "deleted its data of the student yet.",
            "model": ErasureStatus,
            "headers": ERASURE_LOCATION,
        },
        204: {"headers": DELETED_ETAG},
        **problem_responses(*CONDITIONAL, StudentMerged),
    },
)
async def delete(
    user: CurrentUser,
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    query: Annotated[DeleteQuery, Query()],
    request: Request,
) -> Response:
    """Delete a student.

    The history is kept, and `POST /students/{roll_no}/restore` restores the student. The `ETag` is that of the deleted
    state. With `purge=true`, an admin erases the record, its history and everything that other modules of the service
    store about the student permanently, even if the student is already deleted. The response is 202 if a module cannot
    delete its data now: the service continues later, and `Location` has the state. What was merged into the record is
    erased with it. With `holder`, a former holder of the roll number is erased; this needs `purge=true`.
    """
    if query.purge:
        user.require(Role.ADMIN)
        unfinished = await erasure.erase(roll_no, writer, query.holder)
        return _erasing(unfinished, request) if unfinished else Response(status_code=204)
    student = await service.delete(roll_no, writer)
    return Response(status_code=204, headers={"ETag": student.etag})


def _erasing(unfinished: Erasing, request: Request) -> Response:
    headers = {"Location": url_path(request, "erasures", unfinished.erasure_id or "")}
    body = ErasureStatus.of(unfinished).model_dump_json()
    return Response(body, status_code=202, headers=headers, media_type="application/json")


@router.post(
    "/students/{roll_no}/rename",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={200: {"headers": LOCATION | ETAG}, **problem_responses(*CONDITIONAL, RollNoTaken)},
)
async def rename(writer: CurrentWriter, roll_no: RollNoInPath, data: Rename, request: Request) -> Response:
    """Change a student's roll number.

    The history is kept.
    """
    student = await service.rename(roll_no, data.roll_no, writer)
    return with_location(read(student), student, request)


router.include_router(marks_router)
router.include_router(history_router)
router.include_router(merging_router)
router.include_router(changes_router)
router.include_router(erasure_router)
router.include_router(subjects_router)
