"""Validation of rows: which student a row creates or changes, or why the row is rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from core.api import sentence_of
from modules.students import StudentBulkStore, StudentPatch, StudentSnapshot, Write
from modules.transfers.files.csv_reader import Row, RowError
from modules.transfers.models import Import, Mode
from modules.transfers.prefetch import in_thread

# Limits for the errors reported for one row: their number, and the characters quoted of a value.
MAX_ERRORS = 20
MAX_VALUE = 200


class RowOutcome(StrEnum):
    """The effect of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(slots=True)
class RowResult:
    """The result of validating a row."""

    row: Row
    outcome: RowOutcome
    current: StudentSnapshot | None = None
    content: dict[str, Any] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    is_written: bool = False
    """Whether this import has already written the row, and `current` is the version it made."""

    def write(self, work: Import) -> Write:
        """Return the write for a row that creates or changes a student."""
        if self.current is None:
            return work.students.created(self.content)
        return work.students.changed(self.current, self.content)


def check(row: Row) -> Row:
    """Validate and normalize the values of a row, independently of the stored students.

    Errors are added to `row.errors`.
    """
    if row.errors:
        return row
    try:
        row.content = StudentPatch.model_validate(row.content).model_dump(exclude_unset=True)
        marks = row.content.get("marks", {})
        row.blanks += [subject for subject, mark in marks.items() if mark is None]
        row.content["marks"] = {subject: mark for subject, mark in marks.items() if mark is not None}
    except ValidationError as error:
        row.errors = _errors(error)
    if row.errors and not isinstance(row.content.get("roll_no", ""), str):
        del row.content["roll_no"]
    elif "roll_no" not in row.content:
        row.errors.append(RowError("roll_no", "", "missing", "This is required."))
    return row


def _errors(invalid: ValidationError) -> list[RowError]:
    errors = [_error(each) for each in invalid.errors(include_url=False)[:MAX_ERRORS]]
    if left := invalid.error_count() - len(errors):
        errors.append(RowError("", "", "more", f"{left} more values in this row are invalid."))
    return errors


def _error(error: Any) -> RowError:
    path = [str(step) for step in error["loc"] if step != "[key]"]
    column = path[1] if len(path) > 1 and path[0] == "marks" else ".".join(path)
    value = error.get("input")
    text = str(value)[:MAX_VALUE] if isinstance(value, str | int | float) else ""
    return RowError(column[:MAX_VALUE], text, error["type"], sentence_of(error))


async def validate_all(rows: Sequence[Row], work: Import) -> list[RowResult]:
    """Validate checked rows against the students stored in the database."""
    wanted = {row.content["roll_no"] for row in rows if not row.errors}
    current = await work.students.find(wanted) if wanted else {}
    return await in_thread(_validate_each, rows, current, work)


def _validate_each(rows: Sequence[Row], current: Mapping[str, StudentSnapshot], work: Import) -> list[RowResult]:
    return [validate_row(row, current.get(row.content.get("roll_no", "")), work) for row in rows]


def validate_row(row: Row, current: StudentSnapshot | None, work: Import) -> RowResult:
    """Validate a checked row against the student with its roll number, who may be deleted."""
    if row.errors:
        return RowResult(row, RowOutcome.FAILED, errors=row.errors)
    live = current is not None and current.deleted_at is None
    if current and live and work.students.has_made(current):  # an earlier write took effect late
        outcome = RowOutcome.CREATED if current.is_creation else RowOutcome.UPDATED
        return RowResult(row, outcome, current, is_written=True)
    errors = _mode_errors(row, work.options.mode, live=live)
    content = _content(row, current if live else None, remove_blanks=work.options.remove_blanks)
    if len(content["marks"]) > StudentBulkStore.MAX_SUBJECTS:
        detail = f"The student would have more than {StudentBulkStore.MAX_SUBJECTS} subjects."
        errors.append(RowError("marks", "", "subjects", detail))
    if errors:
        return RowResult(row, RowOutcome.FAILED, errors=errors)
    if live and all(getattr(current, name) == value for name, value in content.items()):
        return RowResult(row, RowOutcome.UNCHANGED)
    return RowResult(row, RowOutcome.UPDATED if live else RowOutcome.CREATED, current, content)


def _mode_errors(row: Row, mode: Mode, *, live: bool) -> list[RowError]:
    roll_no = row.content["roll_no"]
    if live and mode is Mode.INSERT:
        return [RowError("roll_no", roll_no, "exists", f"Student {roll_no} already exists.")]
    if not live and mode is Mode.UPDATE:
        return [RowError("roll_no", roll_no, "absent", f"There is no student {roll_no}.")]
    missing = [] if live else [name for name in ("name", "branch") if name not in row.content]
    return [RowError(name, "", "missing", "This is required for a new student.") for name in missing]


def _content(row: Row, current: StudentSnapshot | None, *, remove_blanks: bool) -> dict[str, Any]:
    """Return the student's content merged with the row's. Fields that the row omits keep their value."""
    marks = dict(current.marks) if current else {}
    if remove_blanks:
        for subject in row.blanks:
            marks.pop(subject, None)
    marks |= row.content.get("marks", {})
    named = {name: value for name, value in row.content.items() if name != "marks"}
    return {**named, "marks": marks}
