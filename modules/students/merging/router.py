"""Routes of merging two records of one student."""

from fastapi import Request, Response

from core.api import ETAG, problem_responses
from core.routing import ProtectedRouter
from modules.students.merging import service
from modules.students.merging.schemas import StudentMerge
from modules.students.merging.service import MergeConflict, NothingToUndo
from modules.students.responses import (
    CONDITIONAL,
    LOCATION,
    SUBJECTS,
    WRITER,
    CurrentWriter,
    RollNoInPath,
    read,
    with_location,
)
from modules.students.schemas import StudentRead
from modules.students.subject_catalog.mark_matching import EarlierMarksDoNotFit

router = ProtectedRouter()


@router.post(
    "/students/{roll_no}/merge",
    response_model=StudentRead,
    dependencies=[WRITER, SUBJECTS],
    responses={200: {"headers": LOCATION | ETAG}, **problem_responses(*CONDITIONAL, MergeConflict)},
)
async def merge(writer: CurrentWriter, roll_no: RollNoInPath, data: StudentMerge, request: Request) -> Response:
    """Merge this record into another one, when one student has two.

    The other one gets the marks of both, and is returned with its `ETag`; `If-Match` is compared with that of this
    record. If both have different values in a field, the response is 409 with the `conflicts`, unless `choose` names
    the value to keep. Afterwards this record is gone as if it was deleted: its roll number leads to the other one until
    it is given again, and both histories can be read. `POST /students/{roll_no}/merge/undo` of the other one undoes it.
    """
    student = await service.merge(roll_no, data, writer)
    return with_location(read(student), student, request)


@router.post(
    "/students/{roll_no}/merge/undo",
    response_model=StudentRead,
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL, EarlierMarksDoNotFit, NothingToUndo)},
)
async def undo_merge(writer: CurrentWriter, roll_no: RollNoInPath) -> Response:
    """Undo the merge of another record into this one.

    This is possible until this student changes, or the roll number of the merged record is given to another student.
    The merged record is restored, and this one gets the content back that it had before.
    """
    return read(await service.undo(roll_no, writer))
