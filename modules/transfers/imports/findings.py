"""Findings: what is doubtful or wrong about a file, each told once with the rows that it concerns."""

from collections.abc import Iterable, Mapping, Sequence

from modules.transfers.columns.cell_values import CellProblem, mend_roll_no
from modules.transfers.files.table import RowError
from modules.transfers.imports.row_validation import RowResult
from modules.transfers.options import Finding

MAX_FINDINGS = 100
MAX_LINES = 20

# The parameter that settles a row's error, by the error's code.
_SETTLED_BY: Mapping[str, str] = {
    "mark_decimals": "decimals=round",
    "mark_separator": "decimal=,",
    "mark_percent": "scale={column}:100",
    "mark_fraction": "scale={column}:NUMBER",
    "mark_type": "on_error=skip-cell",
    "mark_range": "scale={column}:NUMBER",
    "code_character": "mend=roll_no",
    "identity_similar": "identity=exact",
    "identity_other": "identity=exact",
    "identity_date": "identity=exact",
    "name_similar": "identity=exact",
    "not_a_student": "ignore_rows={line}",
    "exists": "mode=upsert",
    "absent": "mode=upsert",
}


# Sentences instead of those of the first row, which name a student.
_SENTENCES: Mapping[str, str] = {
    "identity_similar": "These roll numbers are not stored, but differ from stored ones only in how they are written.",
    "identity_other": "These rows would give students the names of others with similar roll numbers.",
    "identity_date": "A spreadsheet may have made dates of these roll numbers.",
    "name_similar": "The names in these rows differ from the stored ones in one letter.",
    "not_a_student": "These look like rows of maxima or averages, not of students.",
    "roll_no_mended": "Characters that a roll number cannot have were replaced by a hyphen.",
    "duplicate": "Other rows have the same roll numbers.",
    "exists": "These students already exist.",
    "absent": "There are no students with these roll numbers.",
    "renamed": "The roll numbers of these students changed during the import.",
}


def add(findings: Sequence[Finding], results: Iterable[RowResult]) -> list[Finding]:
    """Return the findings with the errors and notes of further rows: one finding for each column and code. Those that a
    parameter settles and those that it does not are told apart."""
    found = {(finding.column, finding.code, bool(finding.settled_by)): finding for finding in findings}
    for result in results:
        for error in (*result.errors, *result.row.notes):
            settled_by = _settled_by(error, result.row.line)
            key = (error.field or None, error.code, bool(settled_by))
            finding = found.get(key)
            if finding is None and len(found) < MAX_FINDINGS:
                found[key] = finding = Finding(
                    code=error.code,
                    column=error.field or None,
                    detail=_SENTENCES.get(error.code, error.detail),
                    settled_by=settled_by,
                )
            if finding:
                finding.count += 1
                if len(finding.lines) < MAX_LINES:
                    finding.lines.append(result.row.line)
    return list(found.values())


def _settled_by(error: RowError, line: int) -> str | None:
    """Return the parameter that settles an error of a row in this line, if there is one."""
    if error.code == "code_character" and isinstance(mend_roll_no(error.value), CellProblem):
        return None
    settled_by = _SETTLED_BY.get(error.code)
    return settled_by and settled_by.format(column=error.field, line=line)
