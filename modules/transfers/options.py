"""How a file is read: the stored options of an import, what its columns are taken for, and what is doubtful."""

import re
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel


class ColumnRole(StrEnum):
    """What a column is taken for."""

    ROLL_NO = "roll_no"
    NAME = "name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    BRANCH = "branch"
    SUBJECT = "subject"
    IGNORED = "ignored"


class Reason(StrEnum):
    """Why a column is taken for something: its name is that of a field, or a word for it; a parameter says so; it has
    no name; an export or `errors.csv` made it, and imports do not read it; or it is nothing else, and so a subject."""

    NAME = "name"
    WORD = "word"
    PARAMETER = "parameter"
    UNNAMED = "unnamed"
    NOT_IMPORTED = "not_imported"
    OTHER = "other"


class Column(BaseModel):
    """A column: its number from 1, its name in the file, what it is taken for, and why. A subject column has the name
    of the subject."""

    number: int
    name: str
    role: ColumnRole
    reason: Reason
    subject: str | None = None


class ColumnOptions(BaseModel):
    """What the columns of a file are taken for, where their names do not say it.

    `columns` has pairs of a column's name and its target: a field, `marks` or `marks.SUBJECT`, or `ignore`. `branch` is
    the branch of all students in the file. With `roll_no_prefix`, roll numbers are made from the numbers of the rows.
    """

    columns: list[tuple[str, str]] = []
    ignore: list[str] = []
    branch: str | None = None
    roll_no_prefix: str | None = None
    join_names: bool = False
    local_part: bool = False

    @property
    def highest_number(self) -> int:
        """Return the highest number of a column that is named so, as in `#3`; 0 if there is none."""
        names = [*(name for name, _ in self.columns), *self.ignore]
        return max((int(name[1:]) for name in names if re.fullmatch(r"#\d{1,5}", name, re.ASCII)), default=0)


class CellOptions(BaseModel):
    """How cells are read. `absent` are the words for no mark; None means the usual ones. `scales` has pairs of a
    subject and the highest mark in its column."""

    absent: list[str] | None = None
    round_decimals: bool = False
    decimal_comma: bool | None = None
    scales: list[tuple[str, str]] = []
    mend_roll_no: bool = False


OnError = Literal["reject", "skip", "skip-cell"]


class Mode(StrEnum):
    """Whether an import creates new students, changes existing students, or both."""

    INSERT = "insert"
    UPSERT = "upsert"
    UPDATE = "update"


class Options(BaseModel):
    """The options of an import.

    With `remove_blanks`, a blank cell removes the stored mark; with `skip_cells`, a cell that is no mark loses only its
    mark; with `exact_identity`, similar roll numbers and names are not doubted; with `continue_deleted`, deleted
    students are created again. `ignored_rows` are the lines of rows that are no students. `sheet` is the name or the
    number of a workbook's sheet.
    """

    mode: Mode = Mode.UPSERT
    dry_run: bool = False
    skip_errors: bool = False
    skip_cells: bool = False
    remove_blanks: bool = False
    exact_identity: bool = False
    continue_deleted: bool = False
    sheet: str | None = None
    encoding: str | None = None
    columns: ColumnOptions = ColumnOptions()
    cells: CellOptions = CellOptions()
    ignored_rows: list[int] = []


class Finding(BaseModel):
    """What is doubtful or wrong about a file, told once: a code, the column, a sentence, the parameter that settles it,
    the number of rows that it concerns, and the lines of the first ones. If it `stops`, nothing is imported until a
    parameter settles it."""

    code: str
    column: str | None = None
    detail: str
    settled_by: str | None = None
    stops: bool = False
    count: int = 0
    lines: list[int] = []
