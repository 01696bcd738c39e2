"""Routes for single marks. A subject may contain a slash, hence the path converter `text`."""

from typing import Annotated

from fastapi import Path, Response

from core.api import ETAG, problem_responses
from core.routing import ProtectedRouter
from modules.students import service
from modules.students.fields import Subject
from modules.students.responses import CONDITIONAL, SUBJECTS, WRITER, CurrentWriter, RollNoInPath, read
from modules.students.schemas import MarkWrite, StudentRead
from modules.students.service import MarkNotFound
from modules.students.subject_catalog.mark_matching import accept_mark

router = ProtectedRouter()

SubjectInPath = Annotated[Subject, Path(description="The subject.")]


@router.put(
    "/students/{roll_no}/marks/{subject:text}",
    response_model=StudentRead,
    dependencies=[WRITER, SUBJECTS],
    responses={200: {"headers": ETAG}, **problem_responses(*CONDITIONAL)},
)
async def set_mark(
    writer: CurrentWriter,
    roll_no: RollNoInPath,
    subject: SubjectInPath,
    data: MarkWrite,
) -> Response:
    """Set a student's mark in one subject.

    Creates the mark or replaces it; other marks are not changed.
    """
    subject, stored_as = await accept_mark(subject, data.mark)
    return read(await service.set_mark(roll_no, subject, data.mark, writer), stored_as=stored_as)


@router.delete(
    "/students/{roll_no}/marks/{subject:text}",
    status_code=204,
    response_class=Response,
    dependencies=[WRITER],
    responses={204: {"headers": ETAG}, **problem_responses(*CONDITIONAL, MarkNotFound)},
)
async def remove_mark(writer: CurrentWriter, roll_no: RollNoInPath, subject: SubjectInPath) -> Response:
    """Delete a student's mark in one subject."""
    student = await service.remove_mark(roll_no, subject, writer)
    return Response(status_code=204, headers={"ETag": student.etag})
