"""Rows that are no students, such as a second header row with the highest marks."""

from modules.transfers.columns.derived import kind_of

_WORDS = frozenset(
    {"median", "weight", "weights", "deviation", "highest", "lowest", "minimum", "min", "passmark", "held"}
)
_KINDS = frozenset({"maximum", "total", "average", "percentage"})


def is_no_student(roll_no: str, name: str) -> bool:
    """Return whether the roll number and the name of a row are words such as `Points Possible` or `Average`. At least
    one of them is such a word, and the other one is, too, or is blank."""
    texts = [text for text in (roll_no, name) if text]
    return bool(texts) and all(map(_is_word, texts))


def _is_word(text: str) -> bool:
    joined = "".join(character for character in text.casefold() if character.isalpha())
    return joined in _WORDS or kind_of(text) in _KINDS
