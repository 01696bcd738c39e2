"""Routes of subjects. A subject may contain a slash, hence the path converter `text`."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.api import (
    ETAG,
    LINK,
    NOT_MODIFIED,
    CursorNotFound,
    IfNoneMatch,
    Listing,
    PageQuery,
    location,
    not_modified,
    problem_responses,
    url_path,
)
from core.database import SortKey, object_id
from core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from core.identity import CurrentUser
from core.routing import ProtectedRouter
from modules.students.fields import Subject
from modules.students.responses import WRITER, CurrentWriter
from modules.students.subject_catalog.models import SubjectOperation
from modules.students.subjects import operations, service
from modules.students.subjects.operations import (
    MarksInBoth,
    MaximaDiffer,
    OperationNotFound,
    OperationNotUndoable,
    SameSubject,
)
from modules.students.subjects.schemas import (
    OPERATION_ID_EXAMPLE,
    ListedSubject,
    SubjectChangeRead,
    SubjectConflict,
    SubjectDetails,
    SubjectMerge,
    SubjectOperationDetails,
    SubjectOperationRead,
    SubjectRead,
    SubjectRename,
    SubjectWrite,
)
from modules.students.subjects.service import (
    MarksAboveMaximum,
    OtherSubject,
    SubjectBusy,
    SubjectNotFound,
    TooManySubjects,
)
from modules.students.subjects.unused import SubjectNameTaken

router = ProtectedRouter()

SUBJECTS = Listing("subjects", (SortKey("order", parse=int, write=str), SortKey("name")))
OPERATIONS = Listing("subject operations", (SortKey("_id", descending=True, parse=object_id),))

BEGUN = location(f"/subject-operations/{OPERATION_ID_EXAMPLE}")

_ANY_SPELLING = "The subject, in any spelling, or an alias of it."
SubjectInPath = Annotated[Subject, Path(description=_ANY_SPELLING)]
MergedInPath = Annotated[Subject, Path(description=_ANY_SPELLING, examples=["maths"])]
RenamedInPath = Annotated[Subject, Path(description=_ANY_SPELLING, examples=["art"])]


@router.get("/subjects", responses={200: {"headers": LINK}, **problem_responses(CursorNotFound)})
async def list_subjects(
    query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[ListedSubject]:
    """List subjects.

    These are the subjects that students have marks in, and those that are declared; in their declared order, the others
    after them by name.
    """
    page, students = await service.list_(SUBJECTS.window(query))
    SUBJECTS.link(page, request, response)
    return [ListedSubject.of(subject, students=students[subject.name]) for subject in page.items]


@router.get(
    "/subjects/{subject:text}",
    response_model=SubjectDetails,
    responses={200: {"headers": ETAG}, **NOT_MODIFIED, **problem_responses(SubjectNotFound)},
)
async def get_subject(subject: SubjectInPath, known: IfNoneMatch, response: Response) -> SubjectDetails | Response:
    """Get a subject.

    `GET /subjects` has the number of students with marks in it.
    """
    found = await service.get(subject)
    response.headers["ETag"] = found.etag
    changes = [SubjectChangeRead.model_validate(one) for one in reversed(found.log)]
    return not_modified(found.etag, known) or SubjectDetails.of(found, changes=changes)


@router.put(
    "/subjects/{subject:text}",
    response_model=SubjectRead,
    dependencies=[WRITER],
    responses={
        200: {"headers": ETAG},
        201: {"description": "Created.", "model": SubjectRead, "headers": location("/subjects/math") | ETAG},
        **problem_responses(
            Forbidden,
            SubjectNotFound,
            OtherSubject,
            SubjectBusy,
            SubjectNameTaken,
            MarksAboveMaximum,
            TooManySubjects,
            PreconditionFailed,
            PreconditionRequired,
        ),
    },
)
async def declare_subject(
    writer: CurrentWriter,
    subject: SubjectInPath,
    data: SubjectWrite,
    request: Request,
    response: Response,
) -> SubjectRead:
    """Declare a subject: its title, highest mark, place in lists and aliases.

    A subject that students have marks in keeps them. The highest mark cannot be below a mark that is stored.
    """
    stored, created = await service.put(subject, data, writer)
    response.headers["ETag"] = stored.etag
    if created:
        response.status_code = 201
        response.headers["Location"] = url_path(request, "subjects", stored.name)
    return SubjectRead.of(stored)


@router.post(
    "/subjects/{subject:text}/rename",
    status_code=202,
    dependencies=[WRITER],
    responses={
        202: {"headers": BEGUN},
        **problem_responses(Forbidden, SubjectNotFound, SubjectBusy, SameSubject, SubjectNameTaken),
    },
)
async def rename_subject(
    user: CurrentUser,
    subject: RenamedInPath,
    data: SubjectRename,
    request: Request,
    response: Response,
) -> SubjectOperationRead:
    """Rename a subject, for all students with marks in it.

    Each of these students gets a version. The earlier name becomes an alias. `Location` has the progress.
    """
    return _begun(await operations.rename(subject, data.to, user.username), request, response)


@router.post(
    "/subjects/{subject:text}/merge",
    status_code=202,
    dependencies=[WRITER],
    responses={
        202: {"headers": BEGUN},
        **problem_responses(
            Forbidden, SubjectNotFound, SubjectBusy, SameSubject, SubjectNameTaken, MaximaDiffer, MarksInBoth
        ),
    },
)
async def merge_subject(
    user: CurrentUser,
    subject: MergedInPath,
    data: SubjectMerge,
    request: Request,
    response: Response,
) -> SubjectOperationRead:
    """Merge a subject into another one, for all students with marks in it.

    Each of these students gets a version. The name that goes becomes an alias of the other one. `Location` has the
    progress, and the students who had marks in both.
    """
    begun = await operations.merge(subject, data, user.username)
    return _begun(begun, request, response)


def _begun(operation: SubjectOperation, request: Request, response: Response) -> SubjectOperationRead:
    response.headers["Location"] = url_path(request, "subject-operations", str(operation.id))
    return SubjectOperationRead.of(operation)


OperationId = Annotated[
    str,
    Path(max_length=64, pattern="^[0-9a-f]+$", description="The id of the operation.", examples=[OPERATION_ID_EXAMPLE]),
]


@router.get(
    "/subject-operations",
    dependencies=[WRITER],
    responses={200: {"headers": LINK}, **problem_responses(Forbidden, CursorNotFound)},
)
async def list_subject_operations(
    query: Annotated[PageQuery, Query()], request: Request, response: Response
) -> list[SubjectOperationRead]:
    """List the renamings and mergings of subjects, newest first."""
    page = await operations.list_(OPERATIONS.window(query))
    OPERATIONS.link(page, request, response)
    return [SubjectOperationRead.of(operation) for operation in page.items]


@router.get(
    "/subject-operations/{operation_id}",
    dependencies=[WRITER],
    responses=problem_responses(Forbidden, OperationNotFound),
)
async def get_subject_operation(operation_id: OperationId) -> SubjectOperationDetails:
    """Get the state of a renaming or merging."""
    operation = await operations.get(operation_id)
    found = await operations.conflicts(operation)
    students = [SubjectConflict.of(roll_no, student) for roll_no, student in found]
    return SubjectOperationDetails.of(operation, students=students)


@router.post(
    "/subject-operations/{operation_id}/undo",
    status_code=202,
    dependencies=[WRITER],
    responses={
        202: {"headers": BEGUN},
        **problem_responses(Forbidden, OperationNotFound, OperationNotUndoable, SubjectBusy, SubjectNameTaken),
    },
)
async def undo_subject_operation(
    user: CurrentUser, operation_id: OperationId, request: Request, response: Response
) -> SubjectOperationRead:
    """Undo a renaming or merging, also one that is still running.

    A renamed subject gets its earlier name back, and the other one becomes an alias. After a merge, students who have
    been changed since keep their marks as they are; all others get those from before the merge back.
    """
    return _begun(await operations.undo(operation_id, user.username), request, response)
