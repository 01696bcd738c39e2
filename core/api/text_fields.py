"""Kinds of text that records are made of."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

# Joiners are part of how Persian, Hindi and others spell names; every other invisible character is a trap.
_JOINERS = "\u200c\u200d"

# Beyond every maximum length here, composed or not: one character is composed of at most four.
_MAX_COMPOSED = 1000

# Letters and symbols by their category, that nonetheless show nothing.
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"


def spoken(character: str) -> str:
    """A character as an error message names it: visible ones in quotes, others by name or code point."""
    if character.isprintable() and not character.isspace():
        return f"'{character}'"
    name = unicodedata.name(character, "a control character").lower()
    return "a space" if character == " " else f"U+{ord(character):04X} ({name})"


def _composed(text: Any) -> Any:
    # Normalization takes quadratic time over a run of accents, and holds the interpreter's lock meanwhile: 20,000 of
    # them take more than a second.
    return unicodedata.normalize("NFC", text) if isinstance(text, str) and len(text) <= _MAX_COMPOSED else text


def _check_printable(text: str) -> str:
    if text.isascii() and text.isprintable() and not text.isspace():
        return text
    for character in text:
        if character == "\ufffd":
            raise PydanticCustomError("not_utf8", "This holds U+FFFD, which stands for text that was not UTF-8.")
        if not character.isprintable() and character not in _JOINERS:
            raise PydanticCustomError(
                "not_printable",
                "This must be one line of printable characters; remove {character}.",
                {"character": spoken(character)},
            )
    if not any(unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS for character in text):
        raise PydanticCustomError("not_visible", "This must have a character that can be seen.")
    return text


Composed = BeforeValidator(_composed)
"""Brings text into Unicode's composed form (NFC), before its length is looked at."""

Printable = AfterValidator(_check_printable)
"""Lets only one line of printable text pass."""


@dataclass(frozen=True, slots=True)
class DocumentedPattern:
    """Tells the documentation a pattern of what a validator checks, in its own words for whoever mistypes."""

    pattern: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": self.pattern}


# As much of `Printable` as a pattern can say everywhere: no control characters but at the ends, which are trimmed.
_ENDS, _INNER = r"[^\s\x00-\x1f\x7f-\x9f]", r"[^\x00-\x1f\x7f-\x9f]"
PRINTABLE_PATTERN = rf"^\s*{_ENDS}({_INNER}*{_ENDS})?\s*$"

PrintableLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    Composed,
    Printable,
    DocumentedPattern(PRINTABLE_PATTERN),
]
"""One line of 1 to 200 printable characters, trimmed and composed."""


_CODE_CHARACTERS = "A-Za-z0-9._-"


def _check_code(code: str) -> str:
    if strange := re.search(f"[^{_CODE_CHARACTERS}]", code):
        raise PydanticCustomError(
            "code_character",
            "This is made of the letters A to Z, digits, '.', '_' and '-'. Write '-' instead of {strange}.",
            {"strange": spoken(strange.group())},
        )
    if code in (".", ".."):
        raise PydanticCustomError("code_dots", "This cannot be '.' or '..', which web addresses read as folders.")
    return code


Code = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_check_code),
    DocumentedPattern(rf"^(?!\.{{1,2}}$)[{_CODE_CHARACTERS}]+$"),
    Field(examples=["A1"]),
]
"""1 to 64 of ASCII letters, digits and `. _ -`: what names a record in its address, as it is."""
