"""Routes of the versions of a student, and of restoring one."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import ETAG, LINK, CursorNotFound, Listing, PageQuery, problem_responses, strong_etag
from core.database import SortKey
from core.routing import ProtectedRouter
from modules.students.history import service as history
from modules.students.history.service import NotDeleted, VersionNotFound
from modules.students.query import MAX_VERSION, RestoreQuery
from modules.students.records.store import StudentNotFound
from modules.students.responses import CONDITIONAL, WRITER, CurrentWriter, RollNoInPath, read
from modules.students.schemas import StudentRead, VersionRead, VersionSummary

router = ProtectedRouter()


def _version(text: str) -> int:
    version = int(text)
    if not 1 <= version <= MAX_VERSION:
        raise ValueError(text)
    return version


NEWEST_FIRST = (SortKey("version", descending=True, parse=_version),)
VersionInPath = Annotated[int, Path(ge=1, le=MAX_VERSION, description="The number of the version.", examples=[1])]


@router.get(
    "/students/{roll_no}/history",
    responses={200: {"headers": LINK}, **problem_responses(StudentNotFound, CursorNotFound)},
)
async def list_history(
    roll_no: RollNoInPath, query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[VersionSummary]:
    """List the versions of a student's record, newest first.

    The history of a deleted student can be listed as well.
    """
    versions = Listing(f"history of {roll_no}", NEWEST_FIRST)
    page = await history.list_(roll_no, versions.window(query))
    versions.link(page, request, response)
    return list(page.items)


@router.get(
    "/students/{roll_no}/history/{version}",
    responses={200: {"headers": ETAG}, **problem_responses(StudentNotFound, VersionNotFound)},
)
async def get_version(roll_no: RollNoInPath, version: VersionInPath, response: Response) -> VersionRead:
    """Get one version of a student's record.

    The `ETag` is that of this version. It equals the student's current `ETag` if the version is the current one.
    """
    record, student_id = await history.get(roll_no, version)
    response.headers["ETag"] = strong_etag(student_id, record.version)
    return VersionRead.of(record)


@router.post(
    "/students/{roll_no}/restore",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL, NotDeleted, VersionNotFound)},
)
async def restore(
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    query: Annotated[RestoreQuery, Query()],
) -> Response:
    """Restore a deleted student, or an earlier version.

    Without `version`, restore a deleted student with the content at the time of the deletion. With `version`, restore
    the content of that version, whether or not the student is deleted.
    """
    return read(await history.restore(roll_no, query.version, writer))
