"""Request and response schemas of imports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from modules.transfers.models import Import, Mode, Options, State


class ImportQuery(BaseModel):
    """The options of an import."""

    model_config = ConfigDict(extra="forbid")

    mode: Annotated[
        Mode,
        Field(description="`insert`: only create students; `update`: only change existing students; `upsert`: both."),
    ] = Mode.UPSERT
    dry_run: Annotated[bool, Field(description="Validate the file and report the result without writing anything.")] = (
        False
    )
    on_error: Annotated[
        Literal["reject", "skip"],
        Field(description="`reject`: write nothing if any row is invalid; `skip`: write the valid rows."),
    ] = "reject"
    blank: Annotated[
        Literal["keep", "remove"],
        Field(description="The meaning of a blank cell. `keep`: keep the stored mark; `remove`: remove it."),
    ] = "keep"

    @property
    def options(self) -> Options:
        """Return the options as stored with the import."""
        return Options(
            mode=self.mode,
            dry_run=self.dry_run,
            skip_errors=self.on_error == "skip",
            remove_blanks=self.blank == "remove",
        )


class ImportHeaders(BaseModel):
    """The request headers of an import."""

    prefer: Annotated[
        str | None,
        Field(
            max_length=200,
            description="`respond-async`: respond with 202 as soon as the file is received (RFC 7240).",
            examples=["respond-async"],
        ),
    ] = None
    idempotency_key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="A unique name for this import. If you repeat the request, the file is not imported twice.",
            examples=["class-7b-autumn"],
        ),
    ] = None


class RowError(BaseModel):
    """An error in a row: the row's number (the header is not counted), the line it starts at, the column, the value, a
    code for programs, and a sentence for people."""

    row: int
    line: int
    field: str
    value: str
    code: str
    detail: str


_EXAMPLE_ERROR: dict[str, JsonValue] = {
    "row": 17,
    "line": 18,
    "field": "math",
    "value": "950",
    "code": "mark_range",
    "detail": "A mark lies between 0 and 100.",
}


class ImportRead(BaseModel):
    """An import: its state, its options, and the results of its rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "6921c0ffee6921c0ffee6921",
                    "state": "done",
                    "by": "alice",
                    "created_at": "2026-11-22T09:30:00.125000Z",
                    "finished_at": "2026-11-22T09:30:01.250000Z",
                    "mode": "upsert",
                    "dry_run": False,
                    "on_error": "skip",
                    "blank": "keep",
                    "filename": "class-7b.csv",
                    "size": 61234,
                    "percent": 100,
                    "rows": 1905,
                    "created": 1900,
                    "updated": 3,
                    "unchanged": 1,
                    "failed": 1,
                    "errors": [_EXAMPLE_ERROR],
                    "errors_left_out": 0,
                    "errors_stored": 1,
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
    on_error: Literal["reject", "skip"]
    blank: Literal["keep", "remove"]
    filename: str | None
    size: Annotated[int | None, Field(description="The size of the file in bytes.")]
    percent: Annotated[int | None, Field(description="The progress of the import in percent.")]
    rows: Annotated[int, Field(description="The number of rows processed so far; at the end, all rows of the file.")]
    created: int
    updated: int
    unchanged: int
    failed: int
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
    restored: Annotated[int, Field(description="The number of students that an undo restored.")]
    kept: Annotated[
        list[str],
        Field(description="Roll numbers that an undo left unchanged, because the students were changed since."),
    ]
    kept_count: int

    @classmethod
    def of(cls, work: Import, failures: Sequence[Mapping[str, Any]]) -> "ImportRead":
        """Return an import with its first failed rows, given as stored."""
        errors = [RowError(row=row["row"], line=row["line"], **error) for row in failures for error in row["errors"]]
        return cls(
            id=str(work.id),
            state=work.effective_state,
            detail=work.detail,
            by=work.by,
            created_at=work.created_at,
            finished_at=work.finished_at,
            mode=work.options.mode,
            dry_run=work.options.dry_run,
            on_error="skip" if work.options.skip_errors else "reject",
            blank="remove" if work.options.remove_blanks else "keep",
            filename=work.filename,
            size=work.size,
            percent=work.percent,
            rows=max(work.rows, work.position),
            created=work.created,
            updated=work.updated,
            unchanged=work.unchanged,
            failed=work.failed,
            errors=errors,
            errors_left_out=max(0, work.failed - len(failures)),
            errors_stored=work.failed if work.errors_stored is None else work.errors_stored,
            restored=work.restored,
            kept=work.kept,
            kept_count=work.kept_count,
        )
