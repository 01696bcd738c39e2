"""The keys by which spellings of one subject are found."""

import re
import unicodedata
from functools import lru_cache

from core.api import normalized
from modules.students.joined_letters import with_joined_letters

_EXACT = "."
"""The first character of a key that stands for one exact spelling. No subject contains a dot."""

# Characters that nobody sees by themselves: the property Default_Ignorable_Code_Point (UAX 44).
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Forms with a meaning of their own, such as x², ①, ½ and ㎡: tags of decompositions (UAX 44, table 14).
_MEANINGFUL = {"<super>", "<sub>", "<circle>", "<fraction>", "<font>", "<square>"}


def spelling_key(subject: str) -> str:
    """Return a key that is equal for spellings of one subject: those that differ only in case, Unicode form, width or
    invisible characters.

    This is identifier caseless matching (The Unicode Standard, section 3.13, D147), with two exceptions. Forms that may
    have a meaning of their own stay: `x²` is not `x2`, nor `①` `1`, whereas `Ⅱ` is `II`, and letters of full or half
    width are those of usual width. And the dot of `İ`, a Turkish capital, is left out: `MATEMATİK` is `Matematik`.
    """
    return subject.casefold() if subject.isascii() else _folded(subject)


@lru_cache(1_000)
def _folded(subject: str) -> str:
    visible = _IGNORED.sub("", with_joined_letters(normalized("NFC", subject)))
    plain = "".join(map(_plain_form, visible))
    return normalized("NFC", plain.casefold().replace("i\u0307", "i"))


def _plain_form(character: str) -> str:
    """Return a character for one of another width or place, and for a ligature the letters, but never a dot: see
    `exact_key`."""
    plain = normalized("NFKC", character)
    is_meaningful = unicodedata.decomposition(character).partition(" ")[0] in _MEANINGFUL
    return character if is_meaningful or "." in plain else plain


def exact_key(subject: str) -> str:
    """Return the key of a subject that `spelling_key` does not tell from another one, as students stored before version
    0.3 may have. It is a subject of its own until somebody merges the two."""
    return _EXACT + subject


def is_exact(key: str) -> bool:
    """Return whether a key stands for one exact spelling."""
    return key.startswith(_EXACT)
