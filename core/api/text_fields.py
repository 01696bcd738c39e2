"""Types of text fields in records."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

# Persian, Hindi and other languages use joiners in names; any other invisible character is rejected as misleading.
_JOINERS = "\u200c\u200d"

# Soft hyphens, zero-width characters, direction marks and byte order marks.
_INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_ENDS_TRIMMED = f" \t\n\v\f\r\u0085\u2028\u2029{_INVISIBLE}"
# The canonical combining class of viramas. In Malayalam and other scripts, a joiner after one belongs to the letter.
_VIRAMA = 9

# Longer than any maximum length here, even before composition: one character is composed of at most four.
_MAX_NORMALIZED = 1000

# Letters, marks and symbols that are invisible by themselves, and joiners, as in a pattern.
_NOT_VISIBLE = r"\u034f\u115f\u1160\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0"
_BLANK_LINE = re.compile(rf"[\s{_NOT_VISIBLE}\U000e0100-\U000e01ef]*")

# Control and formatting characters, line separators and noncharacters, as in a pattern. Code points that Unicode has
# not assigned yet are allowed: which ones these are depends on the version of Python.
UNPRINTABLE = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffd-\uffff"
)
# Those beyond U+FFFF are not documented: patterns in JavaScript take such a character for two.
_UNPRINTABLE_CHARACTER = re.compile(
    rf"[{UNPRINTABLE}\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e007f]"
)


def describe_character(character: str) -> str:
    """Return a character as shown in an error message: visible ones in quotes, others as code point and name."""
    if character.isprintable() and not character.isspace():
        return f"'{character}'"
    name = unicodedata.name(character, "a control character").lower()
    return "a space" if character == " " else f"U+{ord(character):04X} ({name})"


def plain_spaces(text: str) -> str:
    """Return a text with a plain space for every Unicode space (category Zs)."""
    return text if text.isascii() else _SPACES.sub(" ", text)


def trimmed(text: str) -> str:
    """Return a text with plain spaces, without blanks and invisible characters at its ends."""
    plain = plain_spaces(text)
    kept = plain.rstrip(_ENDS_TRIMMED)
    if kept and plain[len(kept) : len(kept) + 1] in tuple(_JOINERS) and unicodedata.combining(kept[-1]) == _VIRAMA:
        kept = plain[: len(kept) + 1]
    return kept.lstrip(_ENDS_TRIMMED)


def _trimmed(text: Any) -> Any:
    return trimmed(text) if isinstance(text, str) else text


def normalized(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return a text in a Unicode form, or as it is if it has more than a thousand characters.

    Normalization takes quadratic time for a sequence of accents and holds the interpreter's lock: 20,000 accents take
    more than a second.
    """
    return text if text.isascii() or len(text) > _MAX_NORMALIZED else unicodedata.normalize(form, text)


def composed(text: Any) -> Any:
    """Return a text trimmed and in Unicode's composed form (NFC), and any other value as it is."""
    plain = _trimmed(text)
    return normalized("NFC", plain) if isinstance(plain, str) else plain


def _check_printable(text: str) -> str:
    if text.isascii() and text.isprintable() and not text.isspace():
        return text
    if found := _UNPRINTABLE_CHARACTER.search(text):
        if found.group() == "\ufffd":
            raise PydanticCustomError("not_utf8", "This contains U+FFFD, which replaces text that was not valid UTF-8.")
        raise PydanticCustomError(
            "not_printable",
            "This must be one line of printable characters; remove {character}.",
            {"character": describe_character(found.group())},
        )
    if _BLANK_LINE.fullmatch(text):
        raise PydanticCustomError("not_visible", "This must contain a visible character.")
    return text


Trimmed = BeforeValidator(_trimmed)
"""Replace every Unicode space by a plain one, and trim blanks and invisible characters at the ends."""

Composed = BeforeValidator(composed)
"""Trim text like `Trimmed`, and normalize it to Unicode's composed form (NFC), before its length is checked."""

Printable = AfterValidator(_check_printable)
"""Reject text that is not a single line of printable characters."""


@dataclass(frozen=True, slots=True)
class DocumentedPattern:
    """A pattern that is documented only; a validator checks it instead, with a more helpful error message."""

    pattern: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": self.pattern}


# The part of `Printable` that a portable pattern can express: no unprintable characters, except for blanks at the ends,
# which are trimmed.
_TRIMMED = r"[ \t-\r]*"
NOT_FIRST = rf"\s{_NOT_VISIBLE}{UNPRINTABLE}"
"""The characters that a line cannot begin with in a documented pattern, written as in a class of characters."""
_NOT_LAST = rf"\s{UNPRINTABLE}"


def printable_pattern(most: int, *, besides: str = "", first: str = "") -> str:
    """Return the pattern of a line of up to `most` printable characters, as `trimmed` leaves it, for a longer pattern.
    It has none of the characters `besides`, and does not begin with one of `first`; both are written as in a class of
    characters."""
    return f"[^{first}{besides}{NOT_FIRST}]([^{besides}{UNPRINTABLE}]{{0,{most - 2}}}[^{besides}{_NOT_LAST}])?"


def whole_printable_pattern(*, besides: str = "", first: str = "") -> str:
    """Return the pattern of a whole text that is such a line once it is trimmed. Its length is documented besides."""
    line = f"[^{first}{besides}{NOT_FIRST}]([^{besides}{UNPRINTABLE}]*[^{besides}{_NOT_LAST}])?"
    return f"^{_TRIMMED}{line}{_TRIMMED}$"


PrintableLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Composed,
    Printable,
    DocumentedPattern(whole_printable_pattern()),
]
"""One line of 1 to 200 printable characters, trimmed and composed."""


_CODE_CHARACTERS = "A-Za-z0-9._-"


# A number such as 2.02E+11, which a spreadsheet shows instead of a long one.
_SHORTENED = re.compile(r"\d+([.,]\d+)?E\+\d+", re.ASCII | re.IGNORECASE)


def _check_code(code: str) -> str:
    if _SHORTENED.fullmatch(code):
        raise PydanticCustomError(
            "code_shortened",
            "A spreadsheet has shortened this number, and some of its digits are lost. "
            "Restore the whole number where it came from, in a column that is formatted as text.",
        )
    if strange := re.search(f"[^{_CODE_CHARACTERS}]", code):
        # A hyphen instead of a letter or a digit would make the same code of different ones.
        is_letter = unicodedata.category(strange.group())[0] in "LMN"
        advice = "{strange} is none of them." if is_letter else "Write '-' instead of {strange}."
        raise PydanticCustomError(
            "code_character",
            f"Use only the letters A to Z, digits, '.', '_' and '-'. {advice}",
            {"strange": describe_character(strange.group())},
        )
    if code in (".", ".."):
        raise PydanticCustomError("code_dots", "This must not be '.' or '..', which are special in URLs.")
    return code


Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    Trimmed,
    AfterValidator(_check_code),
    DocumentedPattern(rf"^(?!\.{{1,2}}$)[{_CODE_CHARACTERS}]+$"),
    Field(examples=["A1"]),
]
"""1 to 64 ASCII letters, digits and `. _ -`: an identifier that needs no encoding in URLs."""
