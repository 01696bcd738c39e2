"""The addresses of what was: versions, the way back to one, the feed of changes, and the audit of erasures."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.conditional import ETAG
from core.errors import Forbidden
from core.etag import strong_etag
from core.identity import Role, at_least
from core.keyset import SortKey, object_id
from core.openapi import problem_responses
from core.pagination import LINK, Listing, PageQuery
from core.routing import ProtectedRouter
from modules.students import changes, erasure, history
from modules.students.history import NotDeleted, VersionNotFound
from modules.students.http import CONDITIONAL, WRITER, CurrentWriter, RollNoInPath, read
from modules.students.order import moment
from modules.students.schemas import ChangesRead, ErasureRead, StudentRead, VersionRead, VersionSummary
from modules.students.versions import StudentNotFound

router = ProtectedRouter()

MAX_VERSION = 2**31 - 1


def _version(text: str) -> int:
    version = int(text)
    if not 1 <= version <= MAX_VERSION:
        raise ValueError(text)
    return version


NEWEST_FIRST = (SortKey("version", descending=True, parse=_version),)
ERASURES = Listing(
    "erasures", (SortKey("at", descending=True, parse=moment), SortKey("_id", descending=True, parse=object_id))
)

VersionInPath = Annotated[int, Path(ge=1, le=MAX_VERSION, description="The number of the version.", examples=[1])]


@router.get("/students/{roll_no}/history", responses={200: {"headers": LINK}, **problem_responses(StudentNotFound)})
async def list_history(
    roll_no: RollNoInPath, query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[VersionSummary]:
    """List the versions of a student's record, newest first.

    Deleted students have a history, too.
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
    """Read a student's record as a version left it.

    Its `ETag` is the one that the student had then, and has still if the version is the current one.
    """
    record, student_id = await history.get(roll_no, version)
    response.headers["ETag"] = strong_etag(student_id, record.version)
    return VersionRead.of(record)


@router.post(
    "/students/{roll_no}/restore",
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL, NotDeleted, VersionNotFound)},
)
async def restore(
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    response: Response,
    version: Annotated[
        int | None, Query(ge=1, le=MAX_VERSION, description="Let name, branch and marks be what they were then.")
    ] = None,
) -> StudentRead:
    """Bring a deleted student back, or go back to an earlier version.

    Without `version` the record is what it was when it was deleted. With it, a student who is not deleted can be
    restored as well.
    """
    return read(await history.restore(roll_no, version, writer), response)


@router.get("/changes")
async def list_changes(
    since: Annotated[
        str | None, Query(max_length=200, description="`next` of the answer before; the first time, leave it out.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="The most students in one answer.")] = 100,
) -> ChangesRead:
    """Follow what changes: students created, changed or deleted since a token was given.

    Each student is there once, as the newest state. Keep a copy by `key`: put what is there, remove what is deleted,
    ask again at once while `more` is true, and later with the last `next`. Nothing is ever skipped, however slow a
    writer is; a student may be told twice.
    """
    return await changes.since(since, limit)


@router.get(
    "/erasures",
    dependencies=[at_least(Role.ADMIN)],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden)},
)
async def list_erasures(
    query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[ErasureRead]:
    """List when students were erased and by whom, newest first."""
    page = await erasure.list_(ERASURES.window(query))
    ERASURES.link(page, request, response)
    return [ErasureRead.model_validate(one) for one in page.items]
