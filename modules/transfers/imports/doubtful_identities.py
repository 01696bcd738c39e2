"""Doubtful identities: rows that may mean another student than the one with their roll number.

Spreadsheets change numbers: `0142` becomes `142`, and a list that comes back would create a second student, or
overwrite another one. A row is only doubted if it creates a student or changes a name.
"""

import re
from collections.abc import Mapping, Sequence

from modules.students import SimilarStudent, StudentSnapshot, is_one_edit
from modules.transfers.files.table import Row, RowError
from modules.transfers.models import Import
from modules.transfers.options import Mode

# A date as ISO 8601 or spreadsheets write it: 2026-03-04, 4-Mar, Mar-26.
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(t[0-9.-]+)?|[0-9]{{1,2}}-{_MONTH}(-[0-9]{{2,4}})?|{_MONTH}-[0-9]{{2,4}}",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"[0-9]+\.0+")


async def find_similar(
    rows: Sequence[Row], current: Mapping[str, StudentSnapshot], job: Import
) -> Mapping[str, Sequence[SimilarStudent]]:
    """Return the students whom the roll numbers of these rows may mean instead, by roll number of the row."""
    if job.options.exact_identity:
        return {}
    valid = {row.content["roll_no"]: row for row in rows if not row.errors}
    wanted = [roll_no for roll_no, row in valid.items() if _can_be_doubted(row, current.get(roll_no))]
    return await job.students.find_similar(wanted) if wanted else {}


def _can_be_doubted(row: Row, current: StudentSnapshot | None) -> bool:
    return current is None or current.deleted_at is not None or row.content.get("name", current.name) != current.name


def doubt(row: Row, stored: StudentSnapshot | None, similar: Sequence[SimilarStudent], job: Import) -> RowError | None:
    """Return the error of a row whose identity is doubtful. `stored` is the student with its roll number, who is not
    deleted."""
    if job.options.exact_identity:
        return None
    if stored is None:
        return _doubt_of_new(row, similar, job.options.mode)
    name = row.content.get("name", stored.name)
    if name == stored.name or job.options.mode is Mode.INSERT:
        return None
    # Only the dry run would see the names that this import has replaced.
    others = [one for one in similar if not job.students.has_made(one)]
    return _doubt_of_other(row, stored, others) or _doubt_of_name(row, stored)


def _doubt_of_new(row: Row, similar: Sequence[SimilarStudent], mode: Mode) -> RowError | None:
    """Return the error of a row that would create a student.

    An earlier row of the file comes first, because it may be stored by now: so a dry run gives the same error.
    """
    roll_no = row.content["roll_no"]
    if row.twin:
        other, line = row.twin
        found = f"Lines {line} and {row.line} may be the same student: {_difference(roll_no, other)}."
    elif similar:
        one = min(similar, key=lambda one: (one.name != row.content.get("name"), one.is_former, one.roll_no))
        other, found = one.roll_no, f"There is a student {one.roll_no}; {_cause(roll_no, one)}."
    elif _DATE.fullmatch(roll_no):
        detail = (
            "A spreadsheet may have made a date of this roll number. Correct it, or use identity=exact if it is one."
        )
        return RowError("roll_no", roll_no, "identity_date", detail)
    elif _DECIMAL.fullmatch(roll_no):
        detail = (
            f"A program may have written the number {roll_no.partition('.')[0]} as {roll_no}. Correct it, or use "
            "identity=exact if it is right."
        )
        return RowError("roll_no", roll_no, "identity_decimal", detail)
    else:
        return None
    row.related.append(other)
    exact = "" if mode is Mode.UPDATE else f", or use identity=exact, which imports {roll_no} as another student"
    return RowError("roll_no", roll_no, "identity_similar", f"{found} Correct the roll number{exact}.")


def _doubt_of_other(row: Row, stored: StudentSnapshot, others: Sequence[SimilarStudent]) -> RowError | None:
    """Return the error of a row that would give a student the name of another one with a similar roll number."""
    name = row.content["name"]
    for one in sorted(others, key=lambda one: (one.name != name, one.roll_no)):
        if is_one_edit(name, one.name):
            row.related.append(one.roll_no)
            detail = (
                f"The student {stored.roll_no} is {stored.name}, and {one.name} is the student {one.roll_no}; "
                f"{_cause(stored.roll_no, one)}. Correct the roll number, or use identity=exact, which changes the "
                f"name of {stored.roll_no}."
            )
            return RowError("roll_no", stored.roll_no, "identity_other", detail)
    return None


def _doubt_of_name(row: Row, stored: StudentSnapshot) -> RowError | None:
    """Return the error of a row whose name is nearly the stored one."""
    name = row.content["name"]
    if not is_one_edit(name, stored.name):
        return None
    detail = (
        f"The stored name of {stored.roll_no} is {stored.name}, and one of the two may be a typing error. Correct the "
        "name, or use identity=exact, which changes the stored one."
    )
    return RowError("name", name, "name_similar", detail)


def _cause(roll_no: str, one: SimilarStudent) -> str:
    if one.is_former:
        return f"this student had the roll number {roll_no}, or one that is written differently, before"
    return _difference(roll_no, one.roll_no)


def _difference(roll_no: str, other: str) -> str:
    """Return how two roll numbers differ that have one identity key."""
    if roll_no.casefold() == other.casefold():
        return f"{roll_no} and {other} differ only in upper and lower case"
    if _without_zeros(roll_no) == _without_zeros(other):
        removed = len(roll_no) < len(other)
        return "a spreadsheet may have removed the leading zeros" if removed else "they differ only in leading zeros"
    if re.fullmatch(r"[0-9]+", other) and re.fullmatch(r"[0-9.]+", roll_no):
        return f"a spreadsheet may have written {other} as {roll_no}"
    return f"{roll_no} and {other} differ only in how they are written"


def _without_zeros(roll_no: str) -> str:
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", roll_no)
