"""Keys that are equal for subjects that may be the same."""

import re
import unicodedata

from modules.students import folded, joined_key


def subject_key(name: str) -> str:
    """Return a key of up to 64 characters that is equal for subjects that may be the same.

    They may differ in case, blanks, punctuation, leading zeros, Unicode form, a prefix `marks.`, and the s of an
    English plural at the end of a word (`Maths 1`, `Math 1`). `+` and `#` are kept, as in C, C++ and C#.
    """
    text = re.sub("['\u2019]", "", folded(name.strip()).removeprefix("marks."))
    spaced = "".join(character if _is_kept(character) else " " for character in text)
    return joined_key("-".join(map(_singular, spaced.split())), name)


def _is_kept(character: str) -> bool:
    return character in "+#" or unicodedata.category(character)[0] in "LMN"


def _singular(word: str) -> str:
    """Return a word without the s of a plural. Words such as Physics, Business, Analysis and Corpus have none."""
    return word[:-1] if re.fullmatch(r"[a-z]{2,}[a-z](?<![siu])(?<!ic)s", word) else word
