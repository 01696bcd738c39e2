"""The query parameters that say how the columns and the cells of a file are read."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from core.api import PrintableLine
from modules.students import subject_of
from modules.transfers.files.text import Encoding
from modules.transfers.options import CellOptions, ColumnOptions

MAX_ITEMS = 200
MAX_LENGTH = 2000
MAX_PREFIX = 40

FIELD_TARGETS = ("roll_no", "name", "first_name", "last_name", "branch")
IGNORE = "ignore"
MARKS = "marks"


def items_of(texts: Iterable[str]) -> list[str]:
    """Return the items of a repeatable parameter. Each text is a comma-separated list, with quoted items if they have a
    comma themselves."""
    try:
        return [item.strip() for text in texts for item in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:
        raise PydanticCustomError("list", "This is no comma-separated list; quote items that have a comma.") from None


def quoted(name: str) -> str:
    """Return a column's name as it stands in a list of a parameter."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for item in items_of(texts):
        left, colon, right = (part.strip() for part in item.rpartition(":"))
        if not (left and colon and right):
            raise PydanticCustomError("pair", 'Write pairs such as "{example}".', {"example": "ID number:roll_no"})
        yield left, right


def _column_pairs(texts: Sequence[str]) -> Sequence[str]:
    for name, target in _pairs(texts):
        if target in (*FIELD_TARGETS, IGNORE, MARKS):
            continue
        if not target.startswith(f"{MARKS}."):
            targets = ", ".join((*FIELD_TARGETS, MARKS, f"{MARKS}.SUBJECT", IGNORE))
            raise PydanticCustomError(
                "column_target",
                'The target of "{name}" is one of {targets}.',
                {"name": name[:80], "targets": targets},
            )
        subject_of(target.removeprefix(f"{MARKS}."))
    return texts


def _listed(texts: Sequence[str]) -> Sequence[str]:
    items_of(texts)
    return texts


def _scale_pairs(texts: Sequence[str]) -> Sequence[str]:
    for subject, scale in _pairs(texts):
        try:
            number = Decimal(scale)
        except InvalidOperation:
            number = Decimal()
        if not (number.is_finite() and 0 < number <= 1_000_000 and len(scale) < 20):
            raise PydanticCustomError(
                "scale", 'The scale of "{subject}" must be a number above 0, such as 20.', {"subject": subject[:80]}
            )
    return texts


_Items = Annotated[list[Annotated[str, StringConstraints(max_length=MAX_LENGTH)]], Field(max_length=MAX_ITEMS)]


class ReadingQuery(BaseModel):
    """The query parameters that say how a file is read."""

    model_config = ConfigDict(extra="forbid")

    encoding: Annotated[
        Encoding | None,
        Field(
            description="The encoding of a text file. By default it is recognized: UTF-16 by its byte order mark, and "
            "otherwise UTF-8, or Windows-1252 if the file is not UTF-8."
        ),
    ] = None
    columns: Annotated[
        _Items,
        Field(
            description="What columns are taken for, as `NAME:TARGET`. The target is `roll_no`, `name`, `first_name`, "
            "`last_name`, `branch`, `marks` (a subject of this name), `marks.SUBJECT` or `ignore`. `#3` is the third "
            "column. Repeatable, or separated by commas.",
            examples=[["ID number:roll_no", "Essay:marks.english"]],
        ),
        AfterValidator(_column_pairs),
    ] = []
    ignore: Annotated[
        _Items,
        Field(
            description="Columns to leave out. Repeatable, or separated by commas.",
            examples=[["Total", "Rank"]],
        ),
        AfterValidator(_listed),
    ] = []
    branch: Annotated[
        PrintableLine | None, Field(description="The branch of all students in the file.", examples=["8B"])
    ] = None
    roll_no: Annotated[
        str | None,
        StringConstraints(pattern=rf"^number(:[A-Za-z0-9._-]{{0,{MAX_PREFIX}}})?$"),
        Field(
            description="`number:PREFIX`: make roll numbers from the numbers of the rows, with a prefix.",
            examples=["number:8B-"],
        ),
    ] = None
    name: Annotated[
        Literal["join"] | None, Field(description="`join`: join the columns of the first name and the last name.")
    ] = None
    id: Annotated[
        Literal["local-part"] | None,
        Field(description="`local-part`: the roll number is the part of an e-mail address before the `@`."),
    ] = None
    absent: Annotated[
        _Items,
        Field(
            description="Words for no mark, in any case. By default: AB, ABS, A, NA, N/A, Ex, absent and dashes.",
            examples=[["AB", "sick"]],
        ),
        AfterValidator(_listed),
    ] = []
    decimals: Annotated[
        Literal["round"] | None, Field(description="`round`: round marks to two decimals instead of rejecting them.")
    ] = None
    decimal: Annotated[
        Literal[",", "."] | None,
        Field(description="The decimal separator of marks. By default it is recognized where it is unambiguous."),
    ] = None
    scale: Annotated[
        _Items,
        Field(
            description="The highest mark of a column, as `SUBJECT:NUMBER`, or `*:NUMBER` for all others. Marks are "
            "converted to the range of marks. Repeatable, or separated by commas.",
            examples=[["essay:20"]],
        ),
        AfterValidator(_scale_pairs),
    ] = []
    mend: Annotated[
        Literal["roll_no"] | None,
        Field(description="`roll_no`: replace characters that a roll number cannot have by `-`."),
    ] = None

    @property
    def column_options(self) -> ColumnOptions:
        """Return what the columns are taken for."""
        return ColumnOptions(
            columns=list(_pairs(self.columns)),
            ignore=items_of(self.ignore),
            branch=self.branch,
            roll_no_prefix=None if self.roll_no is None else self.roll_no.partition(":")[2],
            join_names=self.name == "join",
            local_part=self.id == "local-part",
        )

    @property
    def cell_options(self) -> CellOptions:
        """Return how the cells are read."""
        return CellOptions(
            absent=items_of(self.absent) if self.absent else None,
            round_decimals=self.decimals == "round",
            decimal_comma=None if self.decimal is None else self.decimal == ",",
            scales=list(_pairs(self.scale)),
            mend_roll_no=self.mend == "roll_no",
        )
