"""Keys that are equal for roll numbers, and for subjects, that may be the same; and names that differ by one edit.

Keys are stored and indexed: once they are, a change of how they are made needs a migration.
"""

import re
import unicodedata
from decimal import Decimal
from hashlib import sha256

MAX_KEY = 64

_MAX_NORMALIZED = 1000  # normalization takes quadratic time for a sequence of accents

_GROUPED = re.compile(r"\d{1,3}([,.'\u2019\u00a0\u2009\u202f])\d{3}(?:\1\d{3})*", re.ASCII)
_WITH_ZERO_DECIMALS = re.compile(r"(\d+)[.,]0{1,2}", re.ASCII)
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d{1,30})?e\+\d{1,2}", re.ASCII | re.IGNORECASE)


def identity_key(roll_no: str) -> str:
    """Return a key of up to 64 characters that is equal for roll numbers that may be the same student's.

    They may differ in leading zeros, case, Unicode form and separators (blanks and any signs). A separator counts only
    between two digits, because `1-12` and `11-2` are two students. A whole number may also stand as spreadsheets write
    it: `142.0`, `1,420` or `1.42E+02`.
    """
    text = roll_no.strip()
    return _key(re.sub(r"[\W_]+", "-", _folded(_whole_number(text) or text)), roll_no)


def subject_key(name: str) -> str:
    """Return a key of up to 64 characters that is equal for subjects that may be the same.

    They may differ in case, blanks, punctuation, leading zeros, Unicode form, a prefix `marks.`, and the s of an
    English plural at the end of a word (`Maths 1`, `Math 1`). `+` and `#` are kept, as in C, C++ and C#.
    """
    text = re.sub("['\u2019]", "", _folded(name.strip()).removeprefix("marks."))
    spaced = "".join(character if _is_kept(character) else " " for character in text)
    return _key("-".join(map(_singular, spaced.split())), name)


def is_one_edit(name: str, other: str) -> bool:
    """Return whether one inserted, deleted, replaced or transposed letter makes a name the other, or none does.

    Case, accents and blanks are ignored.
    """
    left, right = _without_accents(name), _without_accents(other)
    shorter = min(len(left), len(right))
    at = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    left, right = left[at:], right[at:]
    is_transposed = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or is_transposed


def _whole_number(text: str) -> str | None:
    """Return the digits of a whole number in a spreadsheet's notation, or None for any other text."""
    if _GROUPED.fullmatch(text):
        return re.sub(r"\D", "", text)
    if match := _WITH_ZERO_DECIMALS.fullmatch(text):
        return match[1]
    value = Decimal(text.replace(",", ".")) if _SCIENTIFIC.fullmatch(text) else None
    return str(int(value)) if value is not None and value == value.to_integral_value() else None


def _folded(text: str) -> str:
    if text.isascii() or len(text) > _MAX_NORMALIZED:
        return text.casefold()
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", _folded(text))
    return "".join(character for character in decomposed if not unicodedata.combining(character) and character != " ")


def _is_kept(character: str) -> bool:
    return character in "+#" or unicodedata.category(character)[0] in "LMN"


def _singular(word: str) -> str:
    """Return a word without the s of a plural. Words such as Physics, Business, Analysis and Corpus have none."""
    return word[:-1] if re.fullmatch(r"[a-z]{2,}[a-z](?<![siu])(?<!ic)s", word) else word


def _key(separated: str, text: str) -> str:
    """Return the key of a text in which each separator is a hyphen."""
    joined = re.sub(r"(?<!\d)-|-(?!\d)", "", separated)
    key = re.sub(r"(?<!\d)0+(?=\d)", "", joined) or _folded(text.strip())
    return key if len(key) <= MAX_KEY else sha256(key.encode()).hexdigest()
