"""How a search compares text: by the words of it, whatever their case and accents."""

import re
import unicodedata

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)

_ASCII_WORD = re.compile(r"[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """The distinct words of a text, each folded, in order: `Zoë O'Neil-Łuk` has `zoe`, `o`, `neil` and `luk`.

    A word is what stands between characters that are neither letters, digits nor marks. Vowel signs, as of Hindi, are
    no accents: they stay.
    """
    if text.isascii():  # as most are, and much faster
        return list(dict.fromkeys(_ASCII_WORD.findall(text.lower())))
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    kept = "".join(c for c in unicodedata.normalize("NFKD", folded) if not _is_dropped(c))
    spaced = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in kept)
    return list(dict.fromkeys(spaced.split()))


def _is_dropped(character: str) -> bool:
    """Whether this is an accent, or a joiner, which shows nothing."""
    return unicodedata.combining(character) != 0 or unicodedata.category(character) == "Cf"
