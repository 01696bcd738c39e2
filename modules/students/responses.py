"""Dependencies, responses and OpenAPI declarations that the routes of student records share."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic_core import to_json

from core.api import Expected, location, url_path
from core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from core.identity import CurrentUser, Role, at_least
from modules.students.fields import RollNo
from modules.students.models import StudentSnapshot
from modules.students.records.store import StudentNotFound, Writer
from modules.students.schemas import StudentFields
from modules.students.subject_catalog.catalog import SubjectCatalog

WRITER = at_least(Role.TEACHER)

RollNoInPath = Annotated[RollNo, Path(description="The student's roll number.")]


Continue = Annotated[
    bool,
    Query(
        alias="continue",
        description="If a deleted student has the roll number, create that one again, with its history, instead of a "
        "new one.",
    ),
]
SUBJECTS = Depends(SubjectCatalog.read)
"""Reads the subjects, if this process has not done so just now, before a body with marks is validated."""


async def _writer(user: CurrentUser, expects: Expected) -> Writer:
    return Writer(user.username, expects)


CurrentWriter = Annotated[Writer, Depends(_writer)]
"""The user who changes a student, with the preconditions of the request."""

LOCATION = location("/students/S101")

CONDITIONAL = (Forbidden, StudentNotFound, PreconditionFailed, PreconditionRequired)
"""The problems that any change of a student may respond with."""


def read(student: StudentSnapshot, status_code: int = 200, stored_as: Mapping[str, str] | None = None) -> Response:
    """Return a response with the student as a `StudentRead` and the entity tag as `ETag`."""
    return answer(student.record(), student.etag, status_code, stored_as)


def answer(
    record: Mapping[str, Any], etag: str, status_code: int = 200, stored_as: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a stored record, as `read` does.

    The record is serialized without validation: stored values were validated when written.
    """
    body = {field: record[field] for field in StudentFields.model_fields}
    if stored_as:
        body["stored_as"] = stored_as
    return Response(to_json(body), status_code, {"ETag": etag}, media_type="application/json")


def with_location(answer: Response, student: StudentSnapshot, request: Request) -> Response:
    """Set `Location` to the URL of the student, and return the response."""
    answer.headers["Location"] = url_path(request, "students", student.roll_no)
    return answer
