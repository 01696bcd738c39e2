"""Columns that look as if they hold no marks: serial numbers, totals, ranks and the like.

A column is judged by its name, in six languages, and by its numbers in the first rows of the file. The result is only a
doubt, which the person who imports the file must settle.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from core.api import normalized
from modules.transfers.columns.mark_numbers import plain_signs, read_number

# With fewer rows, equal numbers are likely to be a coincidence.
MIN_ROWS = 5

# Limits of the search for columns that are computed from others.
MAX_COLUMNS = 100
MAX_PARTS = 20
MAX_COMPUTED_ROWS = 200

DOUBTS: Mapping[str, str] = {
    "no_numbers": "has no number in it",
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

_WORDS: Mapping[str, str] = {
    "serial": """# serial sno slno srno sino nr lfdnr lfd numero n nº orden ordre ordem क्रमांक क्रम kramank""",
    "total": """total totals sum grandtotal aggregate summe gesamt gesamtpunkte gesamtpunktzahl somme suma soma
        कुल योग""",
    "average": """average avg mean gpa cgpa sgpa cpi spi durchschnitt schnitt mittelwert moyenne promedio media média
        औसत""",
    "rank": """rank ranking position place rang platz platzierung classement puesto posicion posición posição
        classificação रैंक स्थान""",
    "percentage": """percentage percent pct percentile prozent prozentsatz pourcentage porcentaje porcentagem
        percentagem प्रतिशत""",
    "maximum": """max maximum outof fullmarks possible held maxpoints höchstpunktzahl höchstzahl barème maximo máximo
        अधिकतम पूर्णांक""",
    "age": """age alter âge edad idade birthyear yearofbirth geburtsjahr dob आयु उम्र""",
    "attribute": """semester sem term year batch session trimester quarter jahr halbjahr schuljahr jahrgang année
        semestre trimestre año curso ano phone mobile contact telefon pin pincode zip वर्ष सत्र""",
}
_FILLERS = """mark marks point points score scores of the in out no number num overall class course final grand obtained
    secured all subject subjects punkte note notes notas pontos puntos अंक प्राप्तांक"""
# These say something only beside the columns that they are computed from.
_OF_OTHERS = {"total", "average", "percentage"}


def _tokens(name: str) -> list[str]:
    plain = normalized("NFKC", name).casefold().replace("%", " percent ").replace("#", " # ")
    return [token for token in re.split(r"[^\w#\u0900-\u097f]+|_", plain) if token]


_FILLER_WORDS = frozenset(_FILLERS.split())
_KIND_OF = {"".join(_tokens(word)): kind for kind, words in _WORDS.items() for word in words.split()}


def kind_of(name: str) -> str | None:
    """Return the code of the doubt that a column's name alone raises, or None."""
    tokens = _tokens(name)
    if kind := _KIND_OF.get("".join(tokens)):
        return kind
    telling = [token for token in tokens if token not in _FILLER_WORDS and not token.isdecimal()]
    kinds = {_KIND_OF.get(token) for token in telling}
    return kinds.pop() if len(kinds) == 1 else None


Numbers = Sequence[Decimal | None]
"""The numbers of a column in the rows of the sample; None for a cell without one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A column that may be a subject: its name, and its cells in the first rows of the file."""

    name: str
    cells: Sequence[str]


def doubts(samples: Sequence[Sample]) -> dict[str, str]:
    """Return the codes of the doubts about these columns, in the order of the file, by name. Only the first
    `MAX_COLUMNS` are judged by their numbers: a student cannot have more subjects."""
    numbers = {sample.name: [_number(cell) for cell in sample.cells] for sample in samples[:MAX_COLUMNS]}
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
    if len(filled) > 1 and all(map(_is_text, filled)):
        return "no_numbers"
    kind = kind_of(sample.name)
    return None if is_alone and kind in _OF_OTHERS else kind


def _doubt_of_numbers(numbers: Numbers, before: Sequence[Numbers], rankings: Sequence[Numbers]) -> str | None:
    known = [number for number in numbers if number is not None]
    if len(known) < MIN_ROWS:
        return None
    if all(later - number == 1 for number, later in pairwise(known)):
        return "serial"
    if len(set(known)) == 1:
        return "constant"
    return _computed(numbers, before) or ("rank" if any(numbers == ranking for ranking in rankings) else None)


def _is_text(cell: str) -> bool:
    """Return whether a cell is neither a number, nor a fraction, a percentage, a date or the like."""
    first = cell.partition("/")[0]
    return read_number(plain_signs(first).removesuffix("%").rstrip(), decimal_comma=None) == "mark_type"


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


def _number(cell: str) -> Decimal | None:
    read = read_number(plain_signs(cell).removesuffix("%").rstrip(), decimal_comma=None)
    return read if isinstance(read, Decimal) else None
