"""Rows that are no students, such as a second header row with the highest marks."""

import re

from modules.transfers.columns.column_names import field_of
from modules.transfers.columns.doubtful_names import kind_of

_WORDS = frozenset(
    {"median", "weight", "weights", "deviation", "highest", "lowest", "minimum", "min", "passmark", "held"}
)
_KINDS = frozenset({"maximum", "total", "average", "percentage"})


def why_no_student(roll_no: str, name: str, *, is_alone: bool) -> str | None:
    """Return why a row with this roll number and this name, one of which may be blank, is probably no student, or None.
    `is_alone` says that nothing else is in the row."""
    texts = [text for text in (roll_no, name) if text]
    if not texts:
        return "This row has neither a roll number nor a name."
    if all(map(_is_word, texts)):
        return "This looks like a row of maxima or averages."
    if not any(map(str.isdigit, roll_no)) and field_of(roll_no) == "roll_no" and (not name or field_of(name)):
        return "This row looks like names of columns."
    if is_alone and re.search(r"\s", roll_no):
        return "This row looks like a note."
    return None


def _is_word(text: str) -> bool:
    joined = "".join(character for character in text.casefold() if character.isalpha())
    return joined in _WORDS or kind_of(text) in _KINDS
