"""Keys that are equal for roll numbers that may be the same student's, and names that differ by one edit.

Keys are stored and indexed: once they are, a change of how they are made needs a migration.
"""

import re
import unicodedata
from decimal import Decimal
from hashlib import sha256

from core.api import normalized

MAX_KEY = 64

_GROUPED = re.compile(r"\d{1,3}([,.'\u2019\u00a0\u2009\u202f])\d{3}(?:\1\d{3})*", re.ASCII)
_LONE_SEPARATOR = re.compile(r"(?<!\d)-|-(?!\d)")
_LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_NUMBER = re.compile(r"\d{1,40}(?:[.,]\d{1,30})?(?:e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


def identity_key(roll_no: str) -> str:
    """Return a key of up to 64 characters that is equal for roll numbers that may be the same student's.

    They may differ in leading zeros, case, Unicode form and separators (blanks and any signs). A separator counts only
    between two digits, because `1-12` and `11-2` are two students. A number may also stand as spreadsheets write it:
    `142.0`, `1,420` or `1.42E+02`, and `12E3` as 12000.
    """
    if roll_no.isascii() and roll_no.isalnum() and not _NUMBER.fullmatch(roll_no):  # much faster, and the usual case
        return joined_key(roll_no.casefold(), roll_no)
    text = roll_no.strip()
    return joined_key(re.sub(r"[\W_]+", "-", folded(_plain_number(text) or text)), roll_no)


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


def _plain_number(text: str) -> str | None:
    """Return a number in a spreadsheet's notation without an exponent and without zeros at the end of its decimals, or
    None for any other text."""
    if _GROUPED.fullmatch(text):
        return re.sub(r"\D", "", text)
    if not _NUMBER.fullmatch(text) or text.isdecimal():
        return None
    whole, _, decimals = format(Decimal(text.replace(",", ".")), "f").partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def folded(text: str) -> str:
    """Return a text in one Unicode form, without case and without invisible characters."""
    if text.isascii():
        return text.casefold()
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return normalized("NFKC", normalized("NFKC", visible).casefold())


def _without_accents(text: str) -> str:
    decomposed = normalized("NFKD", folded(text))
    return "".join(character for character in decomposed if not unicodedata.combining(character) and character != " ")


def joined_key(separated: str, text: str) -> str:
    """Return the key of a text whose parts are `separated` by hyphens, without leading zeros."""
    joined = _LONE_SEPARATOR.sub("", separated) if "-" in separated else separated
    key = _LEADING_ZEROS.sub("", joined) or folded(text.strip())
    return key if len(key) <= MAX_KEY else sha256(key.encode()).hexdigest()
