"""Escaping of cells that a spreadsheet would evaluate as a formula, and the way back (OWASP, "CSV Injection").

An apostrophe is put in front of what begins a formula, at the beginning of a cell and also behind a character that is
a separator elsewhere: a program that splits lines at semicolons begins a new cell there. A text that has an apostrophe
at such a place already gets one more, so that `unescape(escape(text)) == text` for every text.
"""

import re

# ASCII, full-width and small forms, and the minus sign of mathematics.
_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_SEPARATORS = ",;|\t\r\n"
# Quotation marks and what shows nothing: a program may drop them before it looks for a formula. No separators.
_SKIPPED = (
    "\"'\\x00-\\x08\\x0b\\x0c\\x0e-\\x20\\x7f-\\xa0\\xad\u034f\u115f\u1160\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0"
)
_FORMULA = rf"(?=[{_SKIPPED}]*[{_STARTS}])"
_AT_START = rf"(?=[{_SKIPPED}]*[{_STARTS}\t\r\n])"

_BEGINS = re.compile(_AT_START)
_BEGINS_ESCAPED = re.compile(f"'{_AT_START}")
_INSIDE = re.compile(f"([{_SEPARATORS}]){_FORMULA}")
_INSIDE_ESCAPED = re.compile(f"([{_SEPARATORS}])'{_FORMULA}")

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)


def escape(text: str) -> str:
    """Return a text as a cell that no spreadsheet evaluates."""
    inside = _INSIDE.sub(r"\1'", text)
    return f"'{inside}" if _BEGINS.match(text) else inside


def unescape(text: str) -> str:
    """Return the text that a cell stands for."""
    if "'" not in text:
        return text
    inside = _INSIDE_ESCAPED.sub(r"\1", text)
    return inside[1:] if _BEGINS_ESCAPED.match(text) else inside


def content_of(cell: str) -> str:
    """Return what a cell of a file says: unescaped, and without spaces around it."""
    return unescape(cell.strip()).strip()


def escape_as_read(cell: str, *, is_mark: bool) -> str:
    """Return a cell of a file so that it can be shown and be read again as the same; the number of a mark stays one."""
    content = content_of(cell)
    return content if is_mark and _NUMBER.fullmatch(content) else escape(content)
