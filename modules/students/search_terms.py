"""Search terms: the words of a text without case and accents."""

import re
import unicodedata

# Letters that Unicode does not decompose into a base letter and an accent.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)

_ASCII_WORD = re.compile(r"[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """Return the distinct words of a text in order, case-folded and without accents.

    `Zoë O'Neil-Łuk` gives `zoe`, `o`, `neil` and `luk`. A word is a sequence of letters, digits and combining marks.
    Vowel signs, such as those of Hindi, are not accents and are kept.
    """
    if text.isascii():  # much faster, and the usual case
        return list(dict.fromkeys(_ASCII_WORD.findall(text.lower())))
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    kept = "".join(c for c in unicodedata.normalize("NFKD", folded) if not _is_dropped(c))
    spaced = "".join(c if _is_in_word(c) else " " for c in kept)
    return list(dict.fromkeys(spaced.split()))


def _is_in_word(character: str) -> bool:
    """Return whether the character is a letter, a digit or a mark, or may be one in a later version of Unicode."""
    category = unicodedata.category(character)
    return category[0] in "LNM" or category in ("Cn", "Co")


def _is_dropped(character: str) -> bool:
    """Return whether the character is an accent or invisible, such as a zero-width joiner."""
    return unicodedata.combining(character) != 0 or unicodedata.category(character) == "Cf"
