"""The values of cells: marks as people write them, and roll numbers that need mending."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import Final

from pydantic import TypeAdapter, ValidationError

from core.api import code_of, sentence_of
from modules.students import RollNo
from modules.transfers.columns.mark_numbers import plain_signs, read_number
from modules.transfers.columns.scales import scales_of
from modules.transfers.options import CellOptions, Column

CODES: Final[Mapping[str, str]] = {
    "mark_type": "A mark must be a number, such as 85 or 72.5. If this stands for no mark, add it to absent=.",
    "mark_range": "A mark lies between 0 and {highest}.",
    "mark_decimals": "A mark can have at most two decimals. With decimals=round it becomes {rounded}.",
    "mark_separator": "It is not clear whether this has decimals or thousands. Name the sign before the decimals with "
    "'decimal=,' or 'decimal=.', and write thousands without a sign.",
    "mark_notation": "Write this number with digits only, without an exponent.",
    "mark_percent": "This is a percentage. With scale={subject}:100 it is read as a part of the highest mark.",
    "mark_fraction": "This is a fraction. If {scale} is the maximum of this column, say scale={subject}:{scale}.",
    "mark_scale": "This does not fit scale={subject}:{scale}. Write a number from 0 to {scale}, a fraction of {scale}, "
    "or a percentage up to 100%.",
    "mark_date": "This is a date. A spreadsheet may have made it of a mark such as 3/10: type the mark again.",
    "narrow_column": "The column was too narrow for this number. Make it wider, and save the file again.",
    "formula_error": "This is a formula, or a formula error. Correct it in the spreadsheet, and save its value.",
}
"""The problems of cells by code, each with its sentence. `mend_roll_no` also returns those of `RollNo`."""

_ROLL_NO: TypeAdapter[str] = TypeAdapter(RollNo)
_HELD = re.compile(r"[A-Za-z0-9._-]*")
_MAX_ROLL_NO = 1000  # normalization takes quadratic time for a sequence of accents
_TEXT_FORMULA = re.compile(r'\s*="((?:[^"]|"")*)"\s*')

ABSENT_WORDS = frozenset({"AB", "ABS", "A", "NA", "N/A", "Ex", "-", "--", "\u2013", "\u2014", "absent"})


@dataclass(frozen=True, slots=True)
class CellProblem:
    """A reason why a cell has no value: a code for programs, and a sentence for people."""

    code: str
    detail: str


class NoMark(Enum):
    """What a cell says that has no mark, but is not blank."""

    ABSENT = "absent"


ABSENT: Final = NoMark.ABSENT


@dataclass(frozen=True)
class ValueOptions:
    """How cells are read: the options of an import.

    `absent` are the words for no mark, in any case. `scales` has the highest mark in the file by subject, `*` for all
    others. `decimal_comma` is None if the file does not say whether a comma separates decimals.
    """

    absent: frozenset[str] = ABSENT_WORDS
    round_decimals: bool = False
    scales: Mapping[str, Decimal] = field(default_factory=dict, hash=False)
    mend_roll_no: bool = False
    decimal_comma: bool | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for a scale that is not above 0."""
        if not all(scale.is_finite() and scale > 0 for scale in self.scales.values()):
            raise ValueError("A scale must be a number above 0.")

    @cached_property
    def absent_words(self) -> frozenset[str]:
        """The words for no mark, as `read_mark` compares them."""
        return frozenset(plain_signs(word).casefold() for word in self.absent)

    def is_absent(self, text: str) -> bool:
        """Return whether a cell says that there is no mark."""
        return plain_signs(text).casefold() in self.absent_words

    def scale_of(self, subject: str) -> Decimal | None:
        """Return the highest mark in a subject's column, or None if the import names none."""
        return self.scales.get(subject, self.scales.get("*"))


def value_options(cells: CellOptions, columns: Sequence[Column], *, decimal_comma: bool | None) -> ValueOptions:
    """Return how the cells of these columns are read. `decimal_comma` counts if the import does not say it."""
    return ValueOptions(
        absent=ABSENT_WORDS if cells.absent is None else frozenset(cells.absent),
        round_decimals=cells.round_decimals,
        scales=scales_of(cells.scales, columns)[0],
        mend_roll_no=cells.mend_roll_no,
        decimal_comma=decimal_comma if cells.decimal_comma is None else cells.decimal_comma,
    )


# A number has at most 40 digits, so that a product is exact and a quotient is rounded only once.
_EXACT = Context(prec=200, rounding=ROUND_HALF_UP)
_HUNDREDTH = Decimal("0.01")


class _Refused(Exception):
    """A cell that has no value: the code, and the values of its sentence."""

    def __init__(self, code: str, **values: str) -> None:
        self.problem = CellProblem(code, CODES[code].format(**values))


def read_mark(
    text: str, subject: str, options: ValueOptions, highest: float
) -> int | float | NoMark | CellProblem | None:
    """Return the mark in a cell: None if the cell is blank, `ABSENT` if it says that there is no mark.

    If the subject has a scale, marks are converted from it to `highest`: with `essay:20`, both `18` and `18/20` are 90
    of 100. With `round_decimals`, half a hundredth is rounded up: 72.005 becomes 72.01. A cell is read as a whole or
    not at all.
    """
    cell = plain_signs(unsheet(text))
    if not cell or cell.casefold() in options.absent_words:
        return ABSENT if cell else None
    try:
        return _mark(cell, subject, options, highest)
    except _Refused as refused:
        return refused.problem


# Few marks are different: remembering them is twice as fast. Only numbers are remembered, which are short.
@lru_cache(maxsize=10_000)
def _mark(cell: str, subject: str, options: ValueOptions, highest: float) -> int | float:
    number, whole = _parse(cell, decimal_comma=options.decimal_comma)
    is_percentage, scale = cell.endswith("%"), options.scale_of(subject)
    # A percentage is a part of the highest mark, but only an import that speaks of scales can mean it.
    if whole and scale is None and not (is_percentage and options.scales):
        raise _Refused("mark_percent" if is_percentage else "mark_fraction", subject=subject, scale=_shown(whole))
    limit = Decimal(str(highest))
    full = limit if scale is None else scale
    exact = _EXACT.divide(_EXACT.multiply(number, limit), whole or full)
    mark = _EXACT.quantize(exact, _HUNDREDTH)
    if number < 0 or mark > limit or not (is_percentage or whole in (None, full)):
        code = "mark_range" if scale is None else "mark_scale"
        raise _Refused(code, subject=subject, scale=_shown(full), highest=_shown(limit))
    if mark != exact and not options.round_decimals:
        raise _Refused("mark_decimals", rounded=_shown(mark))
    return _number(mark)


def _parse(cell: str, *, decimal_comma: bool | None) -> tuple[Decimal, Decimal | None]:
    """Return the number in a cell, and the number of which it is a part: None if the cell does not say."""
    plain = read_number(cell, decimal_comma=decimal_comma)
    if isinstance(plain, Decimal):
        return plain, None
    sides = (cell[:-1], "100") if cell.endswith("%") else cell.split("/", 1)
    numbers = [read_number(side.strip(), decimal_comma=decimal_comma) for side in sides]
    match numbers:
        case [Decimal() as part, Decimal() as whole] if whole > 0:
            return part, whole
    raise _Refused(plain)


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _shown(value: Decimal) -> str:
    return str(_number(value))


def unsheet(text: str) -> str:
    """Return the text in a cell such as `="0044"`, which spreadsheets and other programs write to keep its zeros."""
    match = _TEXT_FORMULA.fullmatch(text)
    return match[1].replace('""', '"') if match else text


def mend_roll_no(text: str) -> str | CellProblem:
    """Return a roll number in which each run of characters that it cannot hold is one `-`: `2021/CS/12` becomes
    `2021-CS-12`. A valid roll number stays as it is. Two texts may become the same roll number.

    Letters and digits of other scripts are refused, not replaced: the rest may be another student's roll number.
    """
    try:
        return _ROLL_NO.validate_python(_hyphenated(text) if len(text) <= _MAX_ROLL_NO else text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return CellProblem(code_of(first), sentence_of(first))


def _hyphenated(text: str) -> str:
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf").strip()
    if _HELD.fullmatch(visible):
        return visible
    composed = unicodedata.normalize("NFC", visible)  # so that an accent is part of its letter
    return re.sub(r"[^\w.]+", "-", composed).strip("-")
