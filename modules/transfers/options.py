"""How a file is read: the stored options of an import, and what its columns are taken for."""

from enum import StrEnum

from pydantic import BaseModel


class Role(StrEnum):
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
    role: Role
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


class CellOptions(BaseModel):
    """How cells are read. `absent` are the words for no mark; None means the usual ones. `scales` has pairs of a
    subject and the highest mark in its column."""

    absent: list[str] | None = None
    round_decimals: bool = False
    decimal_comma: bool | None = None
    scales: list[tuple[str, str]] = []
    mend_roll_no: bool = False
