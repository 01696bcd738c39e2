"""Columns that look as if they hold no marks: serial numbers, totals, ranks and the like.

A column is judged by its name and by its numbers in the first rows of the file. The result is only a doubt, which the
person who imports the file must settle.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from modules.transfers.columns.doubtful_names import OF_OTHERS, kind_of
from modules.transfers.columns.mark_numbers import plain_signs, read_number

# With fewer rows, equal numbers are likely to be a coincidence.
MIN_ROWS = 5

# Limits of the search for columns that are computed from others.
MAX_COLUMNS = 100
MAX_PARTS = 20
MAX_COMPUTED_ROWS = 200

DOUBTS: Mapping[str, str] = {
    "no_numbers": "has no number in it",
    "dates": "has only dates in it, which a spreadsheet may have made of marks such as 3/10",
    "serial": "looks like serial numbers",
    "total": "looks like a total of other columns",
    "average": "looks like an average of other columns",
    "rank": "looks like a rank",
    "percentage": "looks like a percentage of a total",
    "maximum": "looks like the highest possible mark",
    "age": "looks like an age",
    "attribute": "looks like a property of the class or the student",
    "constant": "has the same number in every row",
}
"""The codes of doubts, each with the end of its sentence."""

Numbers = Sequence[Decimal | None]
"""The numbers of a column in the rows of the sample; None for a cell without one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A column that may be a subject: its name, its cells in the first rows of the file, and in how many rows a word
    says that there is no mark. Their cells are blank."""

    name: str
    cells: Sequence[str]
    absent: int = 0


def doubts(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the codes of the doubts about these columns, in the order of the file, by name. Only the first
    `MAX_COLUMNS` are judged by their numbers: a student cannot have more subjects."""
    numbers = {sample.name: [number_in(cell) for cell in sample.cells] for sample in samples[:MAX_COLUMNS]}
    rankings = [_ranking(column) for column in numbers.values()]
    found: dict[str, str] = {}
    before: list[Numbers] = []
    for sample in samples:
        column = numbers.get(sample.name, [])
        code = _doubt_of_text(sample, is_alone=len(samples) == 1) or _doubt_of_numbers(column, before, rankings)
        if code:
            found[sample.name] = code
        else:
            before.append(column)
    return found


def _doubt_of_text(sample: Sample, *, is_alone: bool) -> str | None:
    filled = [cell for cell in sample.cells if cell.strip()]
    if filled and len(filled) + sample.absent > 1:
        if all(map(_is_text, filled)):
            return "no_numbers"
        if all(map(_is_date, filled)):
            return "dates"
    kind = kind_of(sample.name)
    return None if is_alone and kind in OF_OTHERS else kind


def _doubt_of_numbers(numbers: Numbers, before: Sequence[Numbers], rankings: Sequence[Numbers]) -> str | None:
    known = [number for number in numbers if number is not None]
    if len(known) < MIN_ROWS:
        return None
    if known[0] <= 1 and all(later - number == 1 for number, later in pairwise(known)):
        return "serial"
    if len(set(known)) == 1:
        return "constant"
    return _computed(numbers, before) or ("rank" if any(numbers == ranking for ranking in rankings) else None)


def _is_text(cell: str) -> bool:
    """Return whether a cell is neither a number, nor a fraction, a percentage, a date or the like."""
    first = cell.partition("/")[0]
    return read_number(plain_signs(first).removesuffix("%").rstrip(), decimal_comma=None) == "mark_type"


def _is_date(cell: str) -> bool:
    return read_number(plain_signs(cell), decimal_comma=None) == "mark_date"


def _computed(numbers: Numbers, before: Sequence[Numbers]) -> str | None:
    """Return the code if a column is computed from two or more columns to the left of it, up to the nearest one."""
    nearest = [column[:MAX_COMPUTED_ROWS] for column in before[-MAX_PARTS:]]
    for first in range(len(nearest) - 2, -1, -1):
        rows = list(zip(numbers[:MAX_COMPUTED_ROWS], *nearest[first:], strict=True))
        for code, fits in _COMPUTED.items():
            if fits(rows):
                return code
    return None


_Rows = Sequence[tuple[Decimal | None, ...]]


def _sums(rows: _Rows) -> Iterator[tuple[Decimal, Decimal, int]]:
    """Yield the number, the sum of the parts and their count, for each row that has all of them."""
    for number, *parts in rows:
        marks = [part for part in parts if part is not None]
        if number is not None and marks:
            yield number, sum(marks, Decimal()), len(marks)


def _is_total(rows: _Rows) -> bool:
    return all(number == total for number, total, _ in _sums(rows))


def _is_average(rows: _Rows) -> bool:
    return all(abs(number - total / count) <= _rounding(number) for number, total, count in _sums(rows))


def _is_percentage(rows: _Rows) -> bool:
    ratios = [number / total for number, total, _ in _sums(rows) if total]
    return len(ratios) >= MIN_ROWS and max(ratios) - min(ratios) <= Decimal("0.005") * max(ratios)


_COMPUTED: Mapping[str, Callable[[_Rows], bool]] = {
    "total": _is_total,
    "average": _is_average,
    "percentage": _is_percentage,
}


def _rounding(number: Decimal) -> Decimal:
    """Return by how much a number may differ from the one that was rounded to it."""
    exponent = number.normalize().as_tuple().exponent
    return Decimal("0.5") if isinstance(exponent, int) and exponent >= 0 else Decimal("0.051")


def _ranking(numbers: Numbers) -> Numbers:
    """Return the rank of each number of a column, the highest first."""
    known = sorted((number for number in numbers if number is not None), reverse=True)
    first = {number: Decimal(rank) for rank, number in reversed(list(enumerate(known, 1)))}
    return [None if number is None else first[number] for number in numbers]


def number_in(cell: str) -> Decimal | None:
    """Return the number or the percentage in a cell, or None."""
    read = read_number(plain_signs(cell).removesuffix("%").rstrip(), decimal_comma=None)
    return read if isinstance(read, Decimal) else None
