"""Kinds of text that records are made of."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

# Joiners are part of how Persian, Hindi and others spell names; every other invisible character is a trap.
_JOINERS = "\u200c\u200d"


def spoken(character: str) -> str:
    """A character as an error message names it: visible ones in quotes, others by name or code point."""
    if character.isprintable() and not character.isspace():
        return f"'{character}'"
    name = unicodedata.name(character, "a control character").lower()
    return "a space" if character == " " else f"U+{ord(character):04X} ({name})"


def _printable(text: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    for character in normal:
        if not character.isprintable() and character not in _JOINERS:
            raise PydanticCustomError(
                "not_printable",
                "This must be one line of printable characters; remove {character}.",
                {"character": spoken(character)},
            )
    return normal


PrintableLine = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
"""One line of 1 to 200 printable characters, trimmed and in Unicode's composed form (NFC)."""
