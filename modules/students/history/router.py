"""Routes of the versions of a student, and of restoring one."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import ETAG, LINK, CursorNotFound, Listing, PageQuery, problem_responses, strong_etag
from core.database import SortKey, object_id
from core.errors import Forbidden
from core.identity import CurrentUser, Principal, Role, at_least
from core.routing import ProtectedRouter
from modules.students.history import service as history
from modules.students.history.service import NotDeleted, VersionNotFound
from modules.students.query import MAX_VERSION, HistoryQuery, HolderQuery, RestoreQuery
from modules.students.records import store
from modules.students.records.store import RollNoTaken, StudentMerged, StudentNotFound
from modules.students.responses import CONDITIONAL, WRITER, CurrentWriter, RollNoInPath, read
from modules.students.schemas import FormerHolder, StudentRead, VersionRead, VersionSummary
from modules.students.subject_catalog.mark_matching import EarlierMarksDoNotFit

router = ProtectedRouter()


def _version(text: str) -> int:
    version = int(text)
    if not 1 <= version <= MAX_VERSION:
        raise ValueError(text)
    return version


NEWEST_FIRST = (SortKey("version", descending=True, parse=_version),)
LATEST_FIRST = (SortKey("former", descending=True, parse=object_id),)
VersionInPath = Annotated[int, Path(ge=1, le=MAX_VERSION, description="The number of the version.", examples=[1])]


@router.get(
    "/students/{roll_no}/history",
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, StudentNotFound, CursorNotFound)},
)
async def list_history(
    user: CurrentUser,
    roll_no: RollNoInPath,
    query: Annotated[HistoryQuery, Query()],
    request: Request,
    response: Response,
) -> list[VersionSummary]:
    """List the versions of a student's record, newest first.

    The history of a deleted student can be listed as well, and by admins that of a former holder of the roll number.
    """
    _check_holder(user, query.holder)
    student = await store.get_also_deleted(roll_no, query.holder)
    versions = Listing(f"history of {student.id}", NEWEST_FIRST)
    page = await history.list_(student, versions.window(query))
    versions.link(page, request, response)
    return list(page.items)


@router.get(
    "/students/{roll_no}/history/{version}",
    responses={200: {"headers": ETAG}, **problem_responses(Forbidden, StudentNotFound, VersionNotFound)},
)
async def get_version(
    user: CurrentUser,
    roll_no: RollNoInPath,
    version: VersionInPath,
    query: Annotated[HolderQuery, Query()],
    response: Response,
) -> VersionRead:
    """Get one version of a student's record.

    The `ETag` is that of this version. It equals the student's current `ETag` if the version is the current one.
    """
    _check_holder(user, query.holder)
    record, student_id = await history.get(roll_no, version, query.holder)
    response.headers["ETag"] = strong_etag(student_id, record.version)
    return VersionRead.of(record)


@router.post(
    "/students/{roll_no}/restore",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={
        200: {"headers": ETAG},
        **problem_responses(
            *CONDITIONAL, EarlierMarksDoNotFit, NotDeleted, RollNoTaken, StudentMerged, VersionNotFound
        ),
    },
)
async def restore(
    user: CurrentUser,
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    query: Annotated[RestoreQuery, Query()],
) -> Response:
    """Restore a deleted student, or an earlier version.

    Without `version`, restore a deleted student with the content at the time of the deletion. With `version`, restore
    the content of that version, whether or not the student is deleted. With `holder`, an admin restores a former holder
    of the roll number, unless another student has it now.
    """
    _check_holder(user, query.holder)
    return read(await history.restore(roll_no, query.version, writer, query.holder))


@router.get(
    "/students/{roll_no}/former",
    dependencies=[at_least(Role.ADMIN)],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_former_holders(
    roll_no: RollNoInPath, query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[FormerHolder]:
    """List the deleted students whose roll number, this one, was given to another student, the latest first.

    The `key` of one, as `holder`, leads to the history, which `GET /students/{roll_no}/history` lists.
    """
    holders = Listing(f"former holders of {roll_no}", LATEST_FIRST)
    page = await history.former_holders(roll_no, holders.window(query))
    holders.link(page, request, response)
    return [FormerHolder.of(student) for student in page.items]


def _check_holder(user: Principal, holder: str | None) -> None:
    """Raise `Forbidden` if a request for a former holder is not by an admin."""
    if holder:
        user.require(Role.ADMIN)
