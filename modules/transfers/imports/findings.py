"""Findings: what is doubtful or wrong about a file, each told once with the rows that it concerns."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from modules.transfers.columns.cell_values import mend_roll_no
from modules.transfers.columns.mark_numbers import plain_signs, read_number
from modules.transfers.columns.query import quoted
from modules.transfers.files.table import RowError
from modules.transfers.imports.row_validation import RowResult
from modules.transfers.options import Column, ColumnRole, Finding

MAX_FINDINGS = 100
MAX_LINES = 20

# The parameter that settles a row's error, by the error's code.
_SETTLED_BY: Mapping[str, str] = {
    "identity_similar": "identity=exact",
    "identity_other": "identity=exact",
    "identity_date": "identity=exact",
    "identity_decimal": "identity=exact",
    "name_similar": "identity=exact",
    "exists": "mode=upsert",
    "absent": "mode=upsert",
}
# The same for tables only.
_SETTLED_IN_TABLES: Mapping[str, str] = {
    "mark_decimals": "decimals=round",
    "mark_separator": "decimal=,",
    "mark_percent": "scale={column}:100",
    "mark_fraction": "scale={column}:NUMBER",
    "mark_type": "on_error=skip-cell",
    "mark_range": "scale={column}:NUMBER",
    "code_character": "mend=roll_no",
    "not_a_student": "ignore_rows={line}",
    "missing": "branch=NAME",
}


# Sentences instead of those of the first row, which name a student.
_SENTENCES: Mapping[str, str] = {
    "identity_similar": "These roll numbers are not stored, but differ from stored ones, or from those of earlier "
    "rows, only in how they are written.",
    "identity_other": "These rows would give students the names of others with similar roll numbers.",
    "identity_date": "A spreadsheet may have made dates of these roll numbers.",
    "name_similar": "The names in these rows differ from the stored ones in one letter.",
    "identity_decimal": "A program may have written these roll numbers, which are whole numbers, with decimals.",
    "not_a_student": "These rows look like maxima, averages, notes or names of columns, not like students.",
    "roll_no_mended": "Characters that a roll number cannot have were replaced by a hyphen.",
    "duplicate": "Other rows have the same roll numbers.",
    "exists": "These students already exist.",
    "absent": "There are no students with these roll numbers.",
    "renamed": "The roll numbers of these students changed during the import.",
}


_NO_BRANCH = (
    "New students need a branch. Give all students of the file one with branch=NAME, or take a column for it with "
    "columns=COLUMN:branch."
)


def add(findings: Sequence[Finding], results: Iterable[RowResult], columns: Sequence[Column]) -> list[Finding]:
    """Return the findings with the errors and notes of further rows: one finding for each column and code. Those that a
    parameter settles and those that it does not are told apart. `columns` are those of a table; NDJSON has none."""
    found = {(finding.column, finding.code, bool(finding.settled_by)): finding for finding in findings}
    for result in results:
        for error in (*result.errors, *result.row.notes):
            settled_by = _settled_by(error, result.row.line, columns)
            key = (error.field or None, error.code, bool(settled_by))
            finding = found.get(key)
            if finding is None and len(found) < MAX_FINDINGS:
                found[key] = finding = Finding(
                    code=error.code,
                    column=error.field or None,
                    detail=_sentence(error, is_settled=bool(settled_by)),
                    settled_by=settled_by,
                )
            if finding:
                finding.count += 1
                if len(finding.lines) < MAX_LINES:
                    finding.lines.append(result.row.line)
    return list(found.values())


def _sentence(error: RowError, *, is_settled: bool) -> str:
    if error.code == "missing" and is_settled:
        return _NO_BRANCH
    return _SENTENCES.get(error.code, error.detail)


def _settled_by(error: RowError, line: int, columns: Sequence[Column]) -> str | None:
    """Return the parameter that settles an error of a row in this line, if there is one."""
    if settled_by := _SETTLED_BY.get(error.code):
        return settled_by
    if not columns or error.code not in _SETTLED_IN_TABLES or not _is_settled(error, columns):
        return None
    name, _, value = _SETTLED_IN_TABLES[error.code].partition("=")
    shown = value.format(column=error.field, line=line)
    return f"{name}={quoted(shown) if name == 'scale' else shown}"


def _is_settled(error: RowError, columns: Sequence[Column]) -> bool:
    """Return whether the parameter for errors with such a code settles this one."""
    match error.code:
        case "code_character":
            return isinstance(mend_roll_no(error.value), str)
        case "mark_separator":
            return isinstance(read_number(plain_signs(error.value), decimal_comma=True), Decimal)
        case "mark_range":
            return not error.value.startswith("-")
        case "missing":
            return error.field == "branch" and all(column.role is not ColumnRole.BRANCH for column in columns)
    return True
