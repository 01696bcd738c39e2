"""Validation of rows: which student a row creates or changes, or why the row is rejected."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from core.api import code_of, sentence_of
from modules.students import (
    FieldDifference,
    SimilarStudent,
    StudentBulkStore,
    StudentPatch,
    StudentSnapshot,
    SubjectCatalog,
    Write,
    differences,
    match_marks,
)
from modules.transfers.columns.cell_values import CODES, CellProblem
from modules.transfers.files.table import Row, RowError
from modules.transfers.imports.doubtful_identities import doubt, find_similar
from modules.transfers.models import Import
from modules.transfers.options import Mode
from modules.transfers.prefetch import in_thread

# Limits for the errors reported for one row: their number, and the characters quoted of a value.
MAX_ERRORS = 20
MAX_VALUE = 200

# As spreadsheet programs write them into cells: #REF!, and in other languages #WERT!, #¡VALOR!, #NOM ?, Fehler:502.
_FORMULA_ERROR = re.compile(r"#[¡¿]?\w[\w/]*\s?[!?]|#N/[AD]|#NV|#GETTING_DATA|(ERR|ERRO|FEHLER)\s?:\d{3}")
_NARROW = re.compile(r"##+")


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
    changes: list[FieldDifference] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    is_written: bool = False
    """Whether this import has already written the row, and `current` is the version it made."""

    def write(self, job: Import) -> Write:
        """Return the write for a row that creates or changes a student."""
        if self.current is None:
            return job.students.created(self.content)
        return job.students.changed(self.current, self.content)


def check(row: Row) -> Row:
    """Validate and normalize the values of a row, independently of the stored students.

    Errors are added to `row.errors`.
    """
    if row.errors and not row.content:
        return row
    of_formulas = _take_formula_errors(row.content)
    try:
        row.content = StudentPatch.model_validate(row.content).model_dump(exclude_unset=True)
        marks = row.content.get("marks", {})
        row.blanks += [subject for subject, mark in marks.items() if mark is None]
        row.content["marks"] = {subject: mark for subject, mark in marks.items() if mark is not None}
    except ValidationError as error:
        row.errors = [*_errors(error), *row.errors]
    row.errors = of_formulas + row.errors
    if len(row.errors) > MAX_ERRORS + 1:
        row.errors[MAX_ERRORS:] = [_further(len(row.errors) - MAX_ERRORS)]
    if row.errors and not isinstance(row.content.get("roll_no", ""), str):
        del row.content["roll_no"]
    elif "roll_no" not in row.content and not any(error.field == "roll_no" for error in row.errors):
        row.errors.append(RowError("roll_no", "", "missing", "This is required."))
    return row


def _take_formula_errors(content: dict[str, Any]) -> list[RowError]:
    """Remove the values that a spreadsheet shows instead of others: `#REF!` is nobody's name."""
    errors: list[RowError] = []
    for values in (content, content.get("marks")):
        if not isinstance(values, dict):
            continue
        for name, text in list(values.items()):
            if isinstance(text, str) and (problem := _formula_problem(text)):
                errors.append(RowError(name[:MAX_VALUE], text[:MAX_VALUE], problem.code, problem.detail))
                del values[name]
    return errors[:MAX_ERRORS]


def _formula_problem(text: str) -> CellProblem | None:
    if not text.startswith(("#", "E", "F")):
        return None
    if _NARROW.fullmatch(text):
        return CellProblem("narrow_column", CODES["narrow_column"])
    is_error = _FORMULA_ERROR.fullmatch(text.upper()) and (text == text.upper() or ":" in text)
    detail = f"The cell has the formula error {text[:MAX_VALUE]}. Correct the formula, or clear the cell."
    return CellProblem("formula_error", detail) if is_error else None


def _errors(invalid: ValidationError) -> list[RowError]:
    errors = [_error(each) for each in invalid.errors(include_url=False)[:MAX_ERRORS]]
    if left := invalid.error_count() - len(errors):
        errors.append(_further(left))
    return errors


def _further(left: int) -> RowError:
    return RowError("", "", "more", f"{left} more values in this row are invalid.")


def _error(error: Any) -> RowError:
    path = [str(step) for step in error["loc"] if step != "[key]"]
    column = path[1] if len(path) > 1 and path[0] == "marks" else ".".join(path)
    value = error.get("input")
    text = str(value)[:MAX_VALUE] if isinstance(value, str | int | float) else ""
    is_wide = error["type"] == "subjects"
    sentence = f"A student can have at most {StudentBulkStore.MAX_SUBJECTS} subjects." if is_wide else None
    detail = sentence or sentence_of(error, StudentPatch.model_fields)
    return RowError(column[:MAX_VALUE], text, code_of(error), detail)


async def validate_all(rows: Sequence[Row], job: Import) -> list[RowResult]:
    """Validate checked rows against the students stored in the database."""
    known = await SubjectCatalog.read()
    wanted = {row.content["roll_no"] for row in rows if not row.errors}
    current = await job.students.find(wanted) if wanted else {}
    similar = await find_similar(rows, current, job)
    return await in_thread(_validate_each, rows, current, similar, job, known)


def _name_subjects(row: Row, known: SubjectCatalog) -> None:
    """Put a checked row's marks under the stored names of their subjects, and note which were written otherwise."""
    if row.errors:
        return
    matched = match_marks(row.content["marks"], known)
    row.content["marks"] = matched.marks
    row.blanks = [known.name_of(subject) for subject in row.blanks]
    for subject, name in matched.stored_as.items():
        detail = f'"{subject}" is the subject "{name}".'
        row.notes.append(RowError(subject[:MAX_VALUE], "", "subject_stored_as", detail))
    for error in matched.errors:
        row.errors.append(RowError(error.subject[:MAX_VALUE], "", error.code, error.detail))


def _validate_each(
    rows: Sequence[Row],
    current: Mapping[str, StudentSnapshot],
    similar: Mapping[str, Sequence[SimilarStudent]],
    job: Import,
    known: SubjectCatalog,
) -> list[RowResult]:
    for row in rows:
        _name_subjects(row, known)
    numbered = [(row, row.content.get("roll_no", "")) for row in rows]
    return [validate_row(row, current.get(roll_no), similar.get(roll_no, ()), job) for row, roll_no in numbered]


def validate_row(
    row: Row, current: StudentSnapshot | None, similar: Sequence[SimilarStudent], job: Import
) -> RowResult:
    """Validate a checked row against the student with its roll number, who may be deleted, and against the students
    with similar roll numbers."""
    if row.errors:
        return RowResult(row, RowOutcome.FAILED, errors=row.errors)
    live = current is not None and current.deleted_at is None
    if current and live and job.students.has_made(current):  # an earlier write took effect late
        outcome = RowOutcome.CREATED if current.is_creation else RowOutcome.UPDATED
        return RowResult(row, outcome, current, errors=row.cell_errors, is_written=True)
    doubtful = doubt(row, current if live else None, similar, job)
    errors = [doubtful] if doubtful else _mode_errors(row, job.options.mode, live=live)
    content = _content(row, current if live else None, remove_blanks=job.options.remove_blanks)
    if len(content["marks"]) > StudentBulkStore.MAX_SUBJECTS:
        detail = f"The student would have more than {StudentBulkStore.MAX_SUBJECTS} subjects."
        errors.append(RowError("marks", "", "subjects", detail))
    if errors:
        return RowResult(row, RowOutcome.FAILED, errors=errors)
    if not live:
        continued = current if job.options.continue_deleted and current and not current.merge else None
        return RowResult(row, RowOutcome.CREATED, continued, content, errors=row.cell_errors)
    changes = list(differences({name: getattr(current, name) for name in content}, content))
    if not changes:
        return RowResult(row, RowOutcome.UNCHANGED, errors=row.cell_errors)
    return RowResult(row, RowOutcome.UPDATED, current, content, changes, row.cell_errors)


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
    marks = SubjectCatalog.current().respelled(current.marks) if current else {}
    if remove_blanks:
        for subject in row.blanks:
            marks.pop(subject, None)
    marks |= row.content.get("marks", {})
    named = {name: value for name, value in row.content.items() if name != "marks"}
    return {**named, "marks": marks}
