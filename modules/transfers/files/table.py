"""The rows of a file, whatever its format. An error in the file as a whole raises `InvalidFile`; an error in a row is
added to the row."""

from dataclasses import dataclass, field
from typing import Any

from core.errors import Problem

# The maximum length of a row in characters.
MAX_ROW = 1_000_000
MAX_COLUMNS = 10_000


class InvalidFile(Problem):
    """The file cannot be read because of its encoding, its header or its format. Nothing was imported. Correct the
    error described in `detail` and send the file again."""

    status = 422
    title = "File cannot be read"


@dataclass(frozen=True, slots=True)
class RawRow:
    """The cells of a row as they stand in the file, and the line that the row starts at."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in a row: the column, the value, a code for programs, and a sentence for people."""

    field: str
    value: str
    code: str
    detail: str


@dataclass(slots=True)
class Row:
    """A row as read from the file.

    `blanks` are the subjects without a mark, and `absent` is the number of those whose cell says so; `cell_errors` are
    the errors of cells that do not reject the row, and `notes` say how it was read. `offset` is the number of bytes
    read up to the row. `twin` is the roll number and the line of an earlier row with another roll number that may mean
    the same student, and `related` are the roll numbers of other students that an error of the row names.
    """

    number: int
    line: int
    cells: list[str]
    content: dict[str, Any] = field(default_factory=dict)
    blanks: list[str] = field(default_factory=list)
    absent: int = 0
    errors: list[RowError] = field(default_factory=list)
    cell_errors: list[RowError] = field(default_factory=list)
    notes: list[RowError] = field(default_factory=list)
    offset: int = 0
    twin: tuple[str, int] | None = None
    related: list[str] = field(default_factory=list)
