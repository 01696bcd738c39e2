"""The parameter `where`: a condition such as `marks.math>=40`, or several that are joined by `|`.

    where     = condition *( "|" condition )
    condition = field operator value            ; spaces around each are ignored
    field     = "branch" / "name" / "missing" / "marks." value
    operator  = "=" / "!=" / "<" / "<=" / ">" / ">="
    value     = text without = < > | "          ; a subject before an operator also without "!"
              / DQUOTE any text DQUOTE          ; with each double quote in the text written twice

The notation is the ABNF of RFC 5234, with values in words. `_OPERATORS` has the operators of each field.
"""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from core.api import NOT_FIRST, UNPRINTABLE, PrintableLine, printable_pattern, sentence_of
from modules.students.fields import MAX_SUBJECT, Subject
from modules.students.listing.conditions import MARKS, MISSING, AnyOf, Condition
from modules.students.listing.mark_bounds import check_bound

MAX_WHERE = 10
MAX_ALTERNATIVES = 10
MAX_LENGTH = 1_000

_OPERATORS = {
    "branch": ("=", "!="),
    "name": ("=", "!="),
    MISSING: ("=",),
    MARKS: ("=", "!=", "<", "<=", ">", ">="),
}
_FIELDS = f"branch, name, {MISSING} or {MARKS}SUBJECT"

_line: Callable[[str], str] = TypeAdapter(PrintableLine).validate_python
_subject: Callable[[str], str] = TypeAdapter(Subject).validate_python
_CHECKS: dict[str, Callable[[str], Any]] = {"branch": _line, "name": _line, MISSING: _subject, MARKS: check_bound}

_SPACES = re.compile(r"\s*")
_FIELD = re.compile(r'marks\.|[^\s=<>!|"]+')
_OPERATOR = re.compile(r"[!<>]?=|[<>]")
_OR = re.compile(r"\|")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?!")')
_BARE = re.compile(r'[^=<>|"]+')
_BARE_SUBJECT = re.compile(r'[^=<>|"!]+')

_TO_QUOTE = 'Put a value with = < > | or " in double quotes.'


class _Reader:
    """Reads a `where` from left to right. Its methods raise `PydanticCustomError` at the first mistake."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def conditions(self) -> Iterator[Condition]:
        for _ in range(MAX_ALTERNATIVES):
            yield self._condition()
            if self._at == len(self._text):
                return
            self._expect(_OR, "where_end", f"Write | and a condition, or nothing more. {_TO_QUOTE}")
        raise self._error("where_conditions", f"Join at most {MAX_ALTERNATIVES} conditions by |.")

    def _condition(self) -> Condition:
        self._expect(_SPACES)
        field = kind = self._field()
        if kind == MARKS:
            field += self._value(_subject, _BARE_SUBJECT, "Write a subject.")
        operator = self._operator(kind)
        return Condition(field, operator, self._value(_CHECKS[kind], _BARE, f"Write a value. {_TO_QUOTE}"))

    def _field(self) -> str:
        start, wanted = self._at, f"Write a field: {_FIELDS}."
        field = self._expect(_FIELD, "where_field", wanted)[0]
        if field not in _OPERATORS:
            raise self._error("where_field", wanted, start)
        self._expect(_SPACES)
        return field

    def _operator(self, kind: str) -> str:
        start, wanted = self._at, f"Write an operator ({', '.join(_OPERATORS[kind])})."
        operator = self._expect(_OPERATOR, "where_operator", wanted)[0]
        if operator not in _OPERATORS[kind]:
            raise self._error("where_operator", wanted, start)
        return operator

    def _value(self, check: Callable[[str], Any], bare: re.Pattern[str], wanted: str) -> Any:
        """Return the checked value at this place, and skip the spaces around it."""
        self._expect(_SPACES)
        start = self._at
        if self._text.startswith('"', start):
            end = 'End these quotes. Write a double quote in a value twice: "".'
            value = self._expect(_QUOTED, "where_quotes", end)[1].replace('""', '"')
            self._expect(_SPACES)
        else:
            value = self._expect(bare, "where_value", wanted)[0].rstrip()
        try:
            return check(value)
        except ValidationError as error:
            why = sentence_of(error.errors()[0])
        except PydanticCustomError as error:
            why = error.message()
        raise self._error("where_value", why, start)

    def _expect(self, pattern: re.Pattern[str], code: str = "", wanted: str = "") -> re.Match[str]:
        """Return the text that matches here, and continue behind it."""
        found = pattern.match(self._text, self._at)
        if not found:
            raise self._error(code, wanted)
        self._at = found.end()
        return found

    def _error(self, code: str, wanted: str, at: int | None = None) -> PydanticCustomError:
        place = {"position": (self._at if at is None else at) + 1, "wanted": wanted}
        return PydanticCustomError(code, "Character {position}: {wanted}", place)


def _alternatives(text: Any) -> AnyOf:
    if not isinstance(text, str):
        raise PydanticKnownError("string_type")
    if len(text) > MAX_LENGTH:
        raise PydanticKnownError("string_too_long", {"max_length": MAX_LENGTH})
    return tuple(_Reader(text).conditions())


def _value_pattern(most: int, besides: str = "", first: str = "", bare: str = "") -> str:
    """Return the pattern of a value of up to `most` characters, or of any number of them in quotes.

    It has none of the characters `besides`, does not begin with `first`, and is in quotes if it has any of `bare`.
    """
    plain = printable_pattern(most, besides=f'{besides}=<>|"{bare}', first=first)
    quoted = rf'([^{first}{besides}"{NOT_FIRST}]|"")([^{besides}"{UNPRINTABLE}]|"")*'
    return rf'({plain}|"[ \t]*{quoted}")'


_LINE, _SUBJECT = _value_pattern(200), _value_pattern(MAX_SUBJECT, ".", "$")
_NUMBER = r"-?[0-9]{1,9}(\.[0-9]{1,40})?"
_CONDITION = (
    rf"\s*((branch|name)\s*!?=\s*{_LINE}|missing\s*=\s*{_SUBJECT}"
    rf'|marks\.\s*{_value_pattern(MAX_SUBJECT, ".", "$", "!")}\s*(!?=|[<>]=?)\s*({_NUMBER}|"{_NUMBER}"))\s*'
)

PATTERN = rf"^{_CONDITION}(\|{_CONDITION}){{0,{MAX_ALTERNATIVES - 1}}}$"
"""The pattern of `where`, for clients. `_Reader` checks it instead, with more helpful messages."""

Where = Annotated[
    list[
        Annotated[
            Any,  # an `AnyOf`, but FastAPI would add its class to the schemas of the API
            PlainValidator(_alternatives),
            WithJsonSchema({"type": "string", "maxLength": MAX_LENGTH, "pattern": PATTERN}),
        ]
    ],
    Field(
        max_length=MAX_WHERE,
        description="Only students who meet this condition. Repeatable: a student must meet each.\n\n"
        "A condition is a field, an operator and a value: `marks.SUBJECT` with `=`, `!=`, `<`, `<=`, `>` or `>=` and a "
        "number; `branch` or `name` with `=` or `!=` and the whole text, exactly as stored; or `missing=SUBJECT` for "
        "students without a mark. A student without a mark meets no comparison of it.\n\n"
        f"`|` joins up to {MAX_ALTERNATIVES} alternatives: `branch=8A|branch=8B`. Put a value in double quotes if it "
        'has `=`, `<`, `>`, `|` or `"`, and write each double quote in it twice: `name="Zoë ""Zo"" O\'Neil"`. The same '
        "holds for a subject before an operator, also if it has `!`.\n\n"
        "`marks.math>=40` is the same as the parameter `marks.math.gte=40`.",
        examples=[["marks.math>=40", "branch=8A|branch=8B"]],
    ),
]
