"""Findings: what is doubtful or wrong about a file, each told once with the rows that it concerns."""

from collections.abc import Iterable, Mapping, Sequence

from modules.transfers.imports.row_validation import RowResult
from modules.transfers.models import Finding

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
    "roll_no_characters": "mend=roll_no",
    "identity_similar": "identity=exact",
    "identity_other": "identity=exact",
    "name_similar": "identity=exact",
    "not_a_student": "ignore_rows={line}",
    "exists": "mode=upsert",
    "absent": "mode=upsert",
}


def add(findings: Sequence[Finding], results: Iterable[RowResult]) -> list[Finding]:
    """Return the findings with the errors and notes of further rows: one finding for each column and code."""
    found = {(finding.column, finding.code): finding for finding in findings}
    for result in results:
        for error in (*result.errors, *result.row.notes):
            key = (error.field or None, error.code)
            finding = found.get(key)
            if finding is None and len(found) < MAX_FINDINGS:
                settled_by = _SETTLED_BY.get(error.code)
                found[key] = finding = Finding(
                    code=error.code,
                    column=error.field or None,
                    detail=error.detail,
                    settled_by=settled_by and settled_by.format(column=error.field, line=result.row.line),
                )
            if finding:
                finding.count += 1
                if len(finding.lines) < MAX_LINES:
                    finding.lines.append(result.row.line)
    return list(found.values())
