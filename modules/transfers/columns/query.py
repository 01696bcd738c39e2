"""The query parameters that say how the columns and the cells of a file are read."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from core.api import DocumentedPattern, PrintableLine
from modules.students import subject_of, subject_pattern
from modules.transfers.columns.lists import LIST_PATTERN, items_of, pairs_of, pairs_pattern
from modules.transfers.files.text import Encoding
from modules.transfers.options import CellOptions, ColumnOptions

MAX_ITEMS = 200
MAX_LENGTH = 2000
MAX_PREFIX = 40

_NUMBERING = rf"number(:[A-Za-z0-9._-]{{0,{MAX_PREFIX}}})?"

FIELD_TARGETS = ("roll_no", "name", "first_name", "last_name", "branch")
IGNORE = "ignore"
MARKS = "marks"

_SUBJECT = rf"{MARKS}\.[ \t\r\n]*" + subject_pattern('",:')
_TARGET = f"(?:{'|'.join((*FIELD_TARGETS, IGNORE, MARKS, _SUBJECT))})"
_SCALE = r"(?:[1-9][0-9]{0,6}(?:\.[0-9]{1,9})?|0\.[0-9]{0,8}[1-9]0{0,8})"


def _check_columns(texts: Sequence[str]) -> Sequence[str]:
    for name, target in pairs_of(texts):
        if target.startswith(f"{MARKS}."):
            subject_of(target.removeprefix(f"{MARKS}."))
        elif target not in (*FIELD_TARGETS, IGNORE, MARKS):
            targets = ", ".join((*FIELD_TARGETS, MARKS, f"{MARKS}.SUBJECT", IGNORE))
            raise PydanticCustomError(
                "column_target",
                'The target of "{name}" is one of {targets}.',
                {"name": name[:80], "targets": targets},
            )
        if not re.fullmatch(_TARGET, target):
            raise PydanticCustomError(
                "column_subject", "The subject in a target cannot contain a comma, a colon or a quotation mark."
            )
    return texts


def _check_numbering(text: str) -> str:
    if not re.fullmatch(_NUMBERING, text):
        raise PydanticCustomError(
            "numbering",
            "Write 'number', or 'number:' and a prefix of up to {most} letters A to Z, digits, '.', '_' and '-'.",
            {"most": MAX_PREFIX},
        )
    return text


def _check_items(texts: Sequence[str]) -> Sequence[str]:
    list(items_of(texts))
    return texts


def _check_scales(texts: Sequence[str]) -> Sequence[str]:
    for subject, scale in pairs_of(texts):
        if not re.fullmatch(_SCALE, scale):
            raise PydanticCustomError(
                "scale",
                'The scale of "{subject}" must be a number above 0, such as 20 or 12.5.',
                {"subject": subject[:80]},
            )
    return texts


_Text = Annotated[str, StringConstraints(max_length=MAX_LENGTH)]
_Items = Annotated[
    list[Annotated[_Text, DocumentedPattern(LIST_PATTERN)]], Field(max_length=MAX_ITEMS), AfterValidator(_check_items)
]
_Columns = Annotated[
    list[Annotated[_Text, DocumentedPattern(pairs_pattern(_TARGET))]],
    Field(max_length=MAX_ITEMS),
    AfterValidator(_check_columns),
]
_Scales = Annotated[
    list[Annotated[_Text, DocumentedPattern(pairs_pattern(_SCALE))]],
    Field(max_length=MAX_ITEMS),
    AfterValidator(_check_scales),
]


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
        _Columns,
        Field(
            description="What columns are taken for, as `NAME:TARGET`. The target is `roll_no`, `name`, `first_name`, "
            "`last_name`, `branch`, `marks` (a subject of this name), `marks.SUBJECT` or `ignore`. `#3` is the third "
            "column. Repeatable, or separated by commas.",
            examples=[["ID number:roll_no", "Essay:marks.english"]],
        ),
    ] = []
    ignore: Annotated[
        _Items,
        Field(
            description="Columns to leave out. Repeatable, or separated by commas.",
            examples=[["Total", "Rank"]],
        ),
    ] = []
    branch: Annotated[
        PrintableLine | None, Field(description="The branch of all students in the file.", examples=["8B"])
    ] = None
    roll_no: Annotated[
        Annotated[str, AfterValidator(_check_numbering), DocumentedPattern(f"^{_NUMBERING}$")] | None,
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
    ] = []
    decimals: Annotated[
        Literal["round"] | None, Field(description="`round`: round marks to two decimals instead of rejecting them.")
    ] = None
    decimal: Annotated[
        Literal[",", "."] | None,
        Field(description="The decimal separator of marks. By default it is recognized where it is unambiguous."),
    ] = None
    scale: Annotated[
        _Scales,
        Field(
            description="The highest mark of a column, as `SUBJECT:NUMBER`, or `*:NUMBER` for all others. The subject "
            "may be in any spelling, or be the name of its column. Marks are converted to the range of marks. "
            "Repeatable, or separated by commas.",
            examples=[["essay:20"]],
        ),
    ] = []
    mend: Annotated[
        Literal["roll_no"] | None,
        Field(description="`roll_no`: replace characters that a roll number cannot have by `-`."),
    ] = None

    @property
    def column_options(self) -> ColumnOptions:
        """Return what the columns are taken for."""
        return ColumnOptions(
            columns=list(pairs_of(self.columns)),
            ignore=list(items_of(self.ignore)),
            branch=self.branch,
            roll_no_prefix=None if self.roll_no is None else self.roll_no.partition(":")[2],
            join_names=self.name == "join",
            local_part=self.id == "local-part",
        )

    @property
    def cell_options(self) -> CellOptions:
        """Return how the cells are read."""
        return CellOptions(
            absent=list(items_of(self.absent)) if self.absent else None,
            round_decimals=self.decimals == "round",
            decimal_comma=None if self.decimal is None else self.decimal == ",",
            scales=list(pairs_of(self.scale)),
            mend_roll_no=self.mend == "roll_no",
        )
