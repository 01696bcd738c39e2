"""Reading of numbers as people and spreadsheets write them. What may mean two numbers is not read."""

import re
import unicodedata
from decimal import Decimal

# Longer than any number that a spreadsheet writes, and than any cell with a number. They also bound the time it takes.
_MAX_NUMBER = 40
_MAX_CELL = 100

_SIGNS = str.maketrans("\u2212\uff0b\uff0d\uff0c\uff0e\uff0f\uff05\u066b\u066a", "-+-,./%.%")
"""Signs of other scripts: minus, full-width forms, and the Arabic decimal separator and percent sign."""

_NUMBER = re.compile(r"([+-]?)(\d*)(?:([.,])(\d*))?", re.ASCII)
_SPACED = re.compile(r"[+-]?[1-9]\d{0,2}( \d{3})+([.,]\d*)?", re.ASCII)
_SEPARATED = re.compile(r"(?=.*[.,'\u2019])[+-]?[\d.,'\u2019]*\d[\d.,'\u2019]*( ?/ ?[\d.,'\u2019]+| ?%)?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?[\d.,]*\d[.,]?e[+-]?\d+", re.ASCII | re.IGNORECASE)

_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?|mrz|mai|okt|dez)"
)
_DATE = re.compile(
    rf"(?:\d{{1,4}}([-./])\d{{1,2}}\1\d{{1,4}}|\d{{1,2}}[-./ ]+{_MONTH}(?:[-./ ]+\d{{2,4}})?|{_MONTH}[-./ ]+\d{{1,4}})"
    r"(?:[T ]\d.*)?",
    re.ASCII | re.IGNORECASE,
)


def plain_signs(text: str) -> str:
    """Return a cell's text with plain spaces, and with the digits and signs of other scripts as ASCII.

    Digits of several scripts in one cell are kept, so that it is no number: `8\u096b` is rather a slip than 85.
    """
    spaced = " ".join(text.split())
    if spaced.isascii() or len(spaced) > _MAX_CELL:
        return spaced
    # The digits 0 to 9 of a script have consecutive code points.
    zeros = {ord(character) - unicodedata.decimal(character) for character in spaced if character.isdecimal()}
    digits = {zero + digit: str(digit) for zero in zeros for digit in range(10)} if len(zeros) == 1 else {}
    return spaced.translate(_SIGNS).translate(digits)


def read_number(text: str, *, decimal_comma: bool | None) -> Decimal | str:
    """Return the exact value of a number, or the code of the reason why it is none.

    `decimal_comma` says whether a comma separates decimals (True), never does (False), or does where it cannot separate
    thousands (None). A point separates decimals, but if the comma does, a point before three digits may mean either.
    """
    if len(text) > _MAX_NUMBER:
        return "mark_type"
    match = _NUMBER.fullmatch(text.replace(" ", "") if _SPACED.fullmatch(text) else text)
    if match is None or not (match[2] or match[4]):
        return _no_number(text)
    sign, whole, separator, decimals = match.groups(default="")
    if separator and not _separates_decimals(separator, whole, decimals, decimal_comma):
        return "mark_separator"
    return Decimal(f"{sign}{whole}.{decimals}")


def _separates_decimals(separator: str, whole: str, decimals: str, decimal_comma: bool | None) -> bool:
    may_be_thousands = len(decimals) == 3 and re.fullmatch(r"[1-9]\d{0,2}", whole) is not None
    if separator == ".":
        return not (decimal_comma and may_be_thousands)
    if decimal_comma is None:
        return bool(whole and decimals) and not may_be_thousands
    return decimal_comma


def _no_number(text: str) -> str:
    if _DATE.fullmatch(text):
        return "mark_date"
    if _EXPONENT.fullmatch(text):
        return "mark_notation"
    if re.fullmatch("##+", text):
        return "narrow_column"
    if text.startswith(("=", "#")) or re.fullmatch(r"err:\d+", text, re.IGNORECASE):
        return "formula_error"
    return "mark_separator" if _SEPARATED.fullmatch(text) else "mark_type"
