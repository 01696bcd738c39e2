"""The query parameters and the headers of an import."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from modules.transfers.columns.query import ReadingQuery
from modules.transfers.options import Mode, OnError, Options

# More than a file can have, and a number that MongoDB can hold.
MAX_LINE = 2**31 - 1


class ImportQuery(ReadingQuery):
    """The options of an import."""

    mode: Annotated[
        Mode,
        Field(description="`insert`: only create students; `update`: only change existing students; `upsert`: both."),
    ] = Mode.UPSERT
    dry_run: Annotated[
        bool, Field(description="Do the same, with the same status and the same `plan`, but change no student.")
    ] = False
    on_error: Annotated[
        OnError,
        Field(
            description="`reject`: write nothing if any row is invalid; `skip`: write the valid rows; `skip-cell`: "
            "also write a row with a cell that is no mark, without that mark."
        ),
    ] = "reject"
    blank: Annotated[
        Literal["keep", "remove"],
        Field(description="The meaning of a blank cell. `keep`: keep the stored mark; `remove`: remove it."),
    ] = "keep"
    ignore_rows: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_LINE)]],
        Field(
            max_length=200,
            description="The lines of rows that are no students, which the file must have. Repeatable.",
            examples=[[2]],
        ),
    ] = []
    sheet: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="The sheet of a workbook: its name, or its number among the sheets that are not hidden. "
            "It may be left out if only one sheet has content.",
            examples=["Class 7B"],
        ),
    ] = None
    identity: Annotated[
        Literal["check", "exact"],
        Field(
            description="`check`: a row is invalid if its roll number differs from a stored one only in leading zeros, "
            "case, notation or separators, or its name from the stored one in one letter; `exact`: each roll number is "
            "a student of its own, and each name is right."
        ),
    ] = "check"
    deleted: Annotated[
        Literal["new", "continue"],
        Field(
            description="What a row with the roll number of a deleted student does. `new`: it begins a new record; "
            "`continue`: it creates that student again, with the history."
        ),
    ] = "new"

    @property
    def options(self) -> Options:
        """Return the options as stored with the import."""
        return Options(
            mode=self.mode,
            dry_run=self.dry_run,
            skip_errors=self.on_error != "reject",
            skip_cells=self.on_error == "skip-cell",
            remove_blanks=self.blank == "remove",
            encoding=self.encoding,
            columns=self.column_options,
            cells=self.cell_options,
            ignored_rows=self.ignore_rows,
            sheet=self.sheet,
            exact_identity=self.identity == "exact",
            continue_deleted=self.deleted == "continue",
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
            pattern="[^ \t]",  # blanks around the value of a header do not count
            description="A unique name for this import. If you repeat the request, the file is not imported twice.",
            examples=["class-7b-autumn"],
        ),
    ] = None
