"""What becomes of a row: which student it creates or changes, or why it cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from core.api import sentence_of
from modules.students import MAX_SUBJECTS, Action, StudentPatch, StudentSnapshot, Write, changed, created, find_many
from modules.transfers.files.csv_reader import Row, RowError
from modules.transfers.models import Import, Mode
from modules.transfers.prefetch import in_thread

# What is told of a row: so many faults, and so many characters of a value.
MAX_FAULTS = 20
MAX_VALUE = 200


class Kind(StrEnum):
    """What a row does."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(slots=True)
class RowResult:
    """What becomes of a row."""

    row: Row
    kind: Kind
    current: StudentSnapshot | None = None
    content: dict[str, Any] = field(default_factory=dict)
    faults: list[RowError] = field(default_factory=list)
    is_written: bool = False
    """Whether the current student is what this row makes, as this import has written it before."""

    def write(self, work: Import) -> Write:
        """What is to be stored of a row that creates or changes a student."""
        if self.current is None:
            return created(self.content, by=work.by, source=work.source)
        return changed(self.current, self.content, by=work.by, source=work.source)


def check(row: Row) -> Row:
    """The row with its values checked and in their final form, whatever is stored; or with its faults."""
    if row.faults:
        return row
    try:
        row.content = StudentPatch.model_validate(row.content).model_dump(exclude_unset=True)
        marks = row.content.get("marks", {})
        row.blanks += [subject for subject, mark in marks.items() if mark is None]
        row.content["marks"] = {subject: mark for subject, mark in marks.items() if mark is not None}
    except ValidationError as error:
        row.faults = _faults(error)
    if row.faults and not isinstance(row.content.get("roll_no", ""), str):
        del row.content["roll_no"]
    elif "roll_no" not in row.content:
        row.faults.append(RowError("roll_no", "", "missing", "This is required."))
    return row


def _faults(error: ValidationError) -> list[RowError]:
    faults = [_fault(each) for each in error.errors(include_url=False)[:MAX_FAULTS]]
    if left := error.error_count() - len(faults):
        faults.append(RowError("", "", "more", f"{left} more values of this row are wrong."))
    return faults


def _fault(error: Any) -> RowError:
    path = [str(step) for step in error["loc"] if step != "[key]"]
    column = path[1] if len(path) > 1 and path[0] == "marks" else ".".join(path)
    value = error.get("input")
    text = str(value)[:MAX_VALUE] if isinstance(value, str | int | float) else ""
    return RowError(column[:MAX_VALUE], text, error["type"], sentence_of(error))


async def validate_all(rows: Sequence[Row], work: Import) -> list[RowResult]:
    """What becomes of checked rows, as things stand in the database."""
    wanted = {row.content["roll_no"] for row in rows if not row.faults}
    current = await find_many(wanted) if wanted else {}
    return await in_thread(_validate_each, rows, current, work)


def _validate_each(rows: Sequence[Row], current: Mapping[str, StudentSnapshot], work: Import) -> list[RowResult]:
    return [judge(row, current.get(row.content.get("roll_no", "")), work) for row in rows]


def judge(row: Row, current: StudentSnapshot | None, work: Import) -> RowResult:
    """What becomes of a checked row, given the student who has its roll number, deleted or not."""
    if row.faults:
        return RowResult(row, Kind.FAILED, faults=row.faults)
    live = current is not None and current.deleted_at is None
    if current and live and current.source == work.source:  # a command of before that came late
        kind = Kind.CREATED if current.action is Action.CREATED else Kind.UPDATED
        return RowResult(row, kind, current, is_written=True)
    faults = _misfit(row, work.options.mode, live=live)
    content = _content(row, current if live else None, remove_blanks=work.options.remove_blanks)
    if len(content["marks"]) > MAX_SUBJECTS:
        faults.append(RowError("marks", "", "subjects", f"The student would have more than {MAX_SUBJECTS} subjects."))
    if faults:
        return RowResult(row, Kind.FAILED, faults=faults)
    if live and all(getattr(current, name) == value for name, value in content.items()):
        return RowResult(row, Kind.UNCHANGED)
    return RowResult(row, Kind.UPDATED if live else Kind.CREATED, current, content)


def _misfit(row: Row, mode: Mode, *, live: bool) -> list[RowError]:
    roll_no = row.content["roll_no"]
    if live and mode is Mode.INSERT:
        return [RowError("roll_no", roll_no, "exists", f"There already is a student {roll_no}.")]
    if not live and mode is Mode.UPDATE:
        return [RowError("roll_no", roll_no, "absent", f"There is no student {roll_no}.")]
    missing = [] if live else [name for name in ("name", "branch") if name not in row.content]
    return [RowError(name, "", "missing", "This is required for a new student.") for name in missing]


def _content(row: Row, current: StudentSnapshot | None, *, remove_blanks: bool) -> dict[str, Any]:
    """The student's content with that of the row: what the row leaves out stays."""
    marks = dict(current.marks) if current else {}
    if remove_blanks:
        for subject in row.blanks:
            marks.pop(subject, None)
    marks |= row.content.get("marks", {})
    named = {name: value for name, value in row.content.items() if name != "marks"}
    return {**named, "marks": marks}
