"""Request and response schemas of imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.errors import FieldError
from modules.transfers.models import Import, State
from modules.transfers.options import Column, Mode, OnError, Options


class RowError(BaseModel):
    """An error in a row: the row's number (the header is not counted), the line it starts at, the column, the value, a
    code for programs, and a sentence for people."""

    row: int
    line: int
    field: str
    value: str
    code: str
    detail: str


EXAMPLE_ID = "6921c0ffee6921c0ffee6921"
"""The id of an import in all examples, and that of the demo."""

EXAMPLE_ERROR: dict[str, JsonValue] = {
    "row": 17,
    "line": 18,
    "field": "math",
    "value": "950",
    "code": "mark_range",
    "detail": "A mark lies between 0 and 100.",
}


@dataclass(frozen=True, kw_only=True)
class FileError(FieldError):
    """An error in a field of the request, with a `pointer` or a `parameter`, or in a row of the file: the row's number,
    the line it starts at, the column and the value."""

    row: int | None = None
    line: int | None = None
    field: str | None = None
    value: str | None = None


class FindingRead(BaseModel):
    """Something doubtful or wrong about a file: a code for programs, the column, a sentence for people, the parameter
    that settles it, the number of rows that it concerns, and the lines of the first 20."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "code": "column_total",
                    "column": "Total",
                    "detail": 'The column "Total" looks like a total of other columns. Leave it out, or import it as a '
                    "subject with columns=Total:marks.",
                    "settled_by": "ignore=Total",
                    "stops": True,
                    "count": 0,
                    "lines": [],
                }
            ]
        },
    )

    code: str
    column: str | None
    detail: str
    settled_by: str | None
    stops: bool
    count: int
    lines: list[int]


class ColumnPreview(Column):
    """A column of a file: what it is taken for, whether its subject is new, and its first cells."""

    is_new: bool
    samples: list[str]


class PreviewRead(BaseModel):
    """What a file is taken for, and what an import would do with its first rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "format": "csv",
                    "encoding": "utf-8",
                    "separator": ",",
                    "sheet": None,
                    "sheets": [],
                    "header_line": 1,
                    "columns": [
                        {
                            "number": 1,
                            "name": "Roll No",
                            "role": "roll_no",
                            "reason": "word",
                            "subject": None,
                            "is_new": False,
                            "samples": ["S101", "S102"],
                        },
                        {
                            "number": 2,
                            "name": "Total",
                            "role": "ignored",
                            "reason": "parameter",
                            "subject": None,
                            "is_new": False,
                            "samples": ["169.5", "120"],
                        },
                    ],
                    "rows": 2,
                    "created": 2,
                    "updated": 0,
                    "unchanged": 0,
                    "failed": 0,
                    "findings": [],
                    "parameters": {"ignore": ["Total"]},
                }
            ]
        }
    )

    format: Literal["csv", "ndjson", "xlsx", "ods"]
    encoding: str | None = None
    separator: str | None = None
    sheet: Annotated[str | None, Field(description="The sheet of a workbook that was read.")] = None
    sheets: Annotated[list[str], Field(description="The names of all sheets of a workbook.")] = []
    header_line: Annotated[int | None, Field(description="The line with the names of the columns.")] = None
    columns: list[ColumnPreview]
    rows: Annotated[int, Field(description="The number of rows that were looked at, from the first one on.")]
    created: int
    updated: int
    unchanged: int
    failed: int
    findings: list[FindingRead]
    parameters: Annotated[
        dict[str, JsonValue],
        Field(description="The parameters with which `POST /imports` takes the file for just this."),
    ]


def _on_error(options: Options) -> OnError:
    if options.skip_cells:
        return "skip-cell"
    return "skip" if options.skip_errors else "reject"


class NewSubject(BaseModel):
    """A subject in which no stored student had a mark when the import began, and the number of the file's valid rows
    that have a mark in it."""

    subject: str
    rows: int


_EXAMPLE_NEW_SUBJECT: dict[str, JsonValue] = {"subject": "biology", "rows": 1872}


class ImportRead(BaseModel):
    """An import: its state, its options, and the results of its rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": EXAMPLE_ID,
                    "state": "done",
                    "by": "alice",
                    "created_at": "2026-11-22T09:30:00.125000Z",
                    "finished_at": "2026-11-22T09:30:01.250000Z",
                    "mode": "upsert",
                    "dry_run": False,
                    "on_error": "skip",
                    "blank": "keep",
                    "identity": "check",
                    "deleted": "new",
                    "filename": "class-7b.xlsx",
                    "sheet": "Class 7B",
                    "size": 61234,
                    "percent": 100,
                    "rows": 1905,
                    "created": 1900,
                    "updated": 3,
                    "unchanged": 1,
                    "failed": 1,
                    "absent": 12,
                    "cells_skipped": 0,
                    "errors": [EXAMPLE_ERROR],
                    "errors_left_out": 0,
                    "errors_stored": 1,
                    "name_changes": 0,
                    "new_subjects": [_EXAMPLE_NEW_SUBJECT],
                    "restored": 0,
                    "kept": [],
                    "kept_count": 0,
                }
            ]
        }
    )

    id: str
    state: State
    detail: Annotated[str | None, Field(description="Why the import failed.")] = None
    by: str
    created_at: datetime
    finished_at: datetime | None
    mode: Mode
    dry_run: bool
    on_error: OnError
    blank: Literal["keep", "remove"]
    identity: Literal["check", "exact"]
    deleted: Literal["new", "continue"]
    filename: str | None
    sheet: Annotated[str | None, Field(description="The sheet of a workbook that was read.")] = None
    size: Annotated[int | None, Field(description="The size of the file in bytes.")]
    percent: Annotated[int | None, Field(description="The progress of the import in percent.")]
    encoding: Annotated[str | None, Field(description="The encoding of the file.")] = None
    separator: Annotated[str | None, Field(description="The separator of the file's cells.")] = None
    header_line: Annotated[int | None, Field(description="The line with the names of the columns.")] = None
    columns: Annotated[
        list[Column], Field(description="What each column is taken for, and why. The list of imports omits it.")
    ] = []
    findings: Annotated[
        list[FindingRead],
        Field(
            description="What is doubtful or wrong about the file, each told once. If a finding `stops` the import, "
            "nothing is written until a parameter settles it. The list of imports omits them."
        ),
    ] = []
    rows: Annotated[int, Field(description="The number of rows processed so far; at the end, all rows of the file.")]
    created: int
    updated: int
    unchanged: int
    failed: int
    absent: Annotated[int, Field(description="The number of cells that say that there is no mark, such as `AB`.")]
    cells_skipped: Annotated[
        int, Field(description="The number of cells that are no marks and were left out with `on_error=skip-cell`.")
    ]
    errors: Annotated[
        list[RowError], Field(description="The errors of the first failed rows; `errors.csv` has more of them.")
    ]
    errors_left_out: Annotated[int, Field(description="The number of failed rows whose errors are not listed here.")]
    errors_stored: Annotated[
        int,
        Field(
            description="The number of failed rows in `errors.csv`: up to 10,000 rows or 5 MB. Others are only counted."
        ),
    ]
    name_changes: Annotated[
        int, Field(description="The number of rows that change a student's name. The `plan` begins with them.")
    ]
    new_subjects: Annotated[
        list[NewSubject],
        Field(
            description="The subjects of the file in which no stored student had a mark when the import began, up to "
            "100, in the order in which they first have a mark."
        ),
    ]
    restored: Annotated[int, Field(description="The number of students that an undo restored.")]
    kept: Annotated[
        list[str],
        Field(description="Roll numbers that an undo left unchanged, because the students were changed since."),
    ]
    kept_count: int

    @classmethod
    def of(cls, job: Import, failures: Sequence[Mapping[str, Any]]) -> "ImportRead":
        """Return an import with its first failed rows, given as stored."""
        errors = [RowError(row=row["row"], line=row["line"], **error) for row in failures for error in row["errors"]]
        return cls(
            id=str(job.id),
            state=job.effective_state,
            detail=job.detail,
            by=job.by,
            created_at=job.created_at,
            finished_at=job.finished_at,
            mode=job.options.mode,
            dry_run=job.options.dry_run,
            on_error=_on_error(job.options),
            blank="remove" if job.options.remove_blanks else "keep",
            identity="exact" if job.options.exact_identity else "check",
            deleted="continue" if job.options.continue_deleted else "new",
            filename=job.filename,
            sheet=job.sheet,
            size=job.size,
            percent=job.percent,
            encoding=job.encoding,
            separator=job.separator if job.columns else None,
            header_line=job.header_line,
            columns=job.columns,
            findings=[FindingRead.model_validate(finding) for finding in job.findings],
            rows=max(job.rows, job.position),
            created=job.created,
            updated=job.updated,
            unchanged=job.unchanged,
            failed=job.failed,
            absent=job.absent,
            cells_skipped=job.cells_skipped,
            errors=errors,
            errors_left_out=max(0, job.failed + job.incomplete - len(failures)),
            errors_stored=job.failed if job.errors_stored is None else job.errors_stored,
            name_changes=job.name_changes,
            new_subjects=[NewSubject.model_validate(new) for new in job.new_subjects],
            restored=job.restored,
            kept=job.kept,
            kept_count=job.kept_count,
        )


class ImportProblem(ImportRead):
    """A problem document. If an import was rejected or failed, it has the members of the import's report."""

    model_config = ConfigDict(json_schema_extra={})  # a report's example is no problem document

    errors: list[FileError]  # type: ignore[assignment]  # only documented: the report's errors, or those of the request
