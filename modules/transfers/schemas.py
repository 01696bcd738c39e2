"""What clients send and receive of imports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from modules.transfers.models import Import, Mode, Options, State


class ImportQuery(BaseModel):
    """How a file is to be imported."""

    model_config = ConfigDict(extra="forbid")

    mode: Annotated[
        Mode,
        Field(description="`insert`: only new students; `update`: only students who are there; `upsert`: both."),
    ] = Mode.UPSERT
    dry_run: Annotated[bool, Field(description="Only tell what would happen; write nothing.")] = False
    on_error: Annotated[
        Literal["reject", "skip"],
        Field(description="`reject`: one bad row, and nothing is written; `skip`: the good rows are."),
    ] = "reject"
    blank: Annotated[
        Literal["keep", "remove"],
        Field(description="Whether a blank cell leaves the stored mark as it is, or takes it away."),
    ] = "keep"

    @property
    def options(self) -> Options:
        """The same as it is stored."""
        return Options(
            mode=self.mode,
            dry_run=self.dry_run,
            skip_errors=self.on_error == "skip",
            remove_blanks=self.blank == "remove",
        )


class ImportHeaders(BaseModel):
    """How the client wants to be answered, and what it calls the import."""

    prefer: Annotated[
        str | None,
        Field(
            max_length=200,
            description="`respond-async`: answer 202 once the file has arrived (RFC 7240).",
            examples=["respond-async"],
        ),
    ] = None
    idempotency_key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="Your name for this import: sent again with it, the file is not imported twice.",
            examples=["class-7b-autumn"],
        ),
    ] = None


class RowError(BaseModel):
    """What is wrong with a row: its number (the header does not count), the line at which it begins, the column, what
    stands there, a word for programs, a sentence for people."""

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
    """An import: where it stands, how many rows were read, and what became of them."""

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
    size: Annotated[int | None, Field(description="Of the file, in bytes.")]
    percent: Annotated[int | None, Field(description="How far the work has come.")]
    rows: Annotated[int, Field(description="Rows dealt with so far; in the end all of the file.")]
    created: int
    updated: int
    unchanged: int
    failed: int
    errors: Annotated[list[RowError], Field(description="The first ones; more are in `errors.csv`.")]
    errors_left_out: Annotated[int, Field(description="Failed rows whose errors are not listed here.")]
    errors_stored: Annotated[
        int,
        Field(description="Failed rows that `errors.csv` has: the first 10,000, or 5 MB. Others are counted."),
    ]
    restored: Annotated[int, Field(description="Students that an undo has put back.")]
    kept: Annotated[list[str], Field(description="Roll numbers that an undo left as they are: changed since.")]
    kept_count: int

    @classmethod
    def of(cls, work: Import, failures: Sequence[Mapping[str, Any]]) -> "ImportRead":
        """An import with the first of its failed rows, as they are stored."""
        errors = [RowError(row=row["row"], line=row["line"], **fault) for row in failures for fault in row["errors"]]
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
