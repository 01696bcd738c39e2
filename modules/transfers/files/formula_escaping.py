"""Escaping and unescaping of cells that a spreadsheet would evaluate as a formula (OWASP, "CSV Injection").

An apostrophe is inserted before the start of a formula, both at the start of a cell and after a character that other
programs use as a separator: a program that splits lines at semicolons starts a new cell there. A text that already has
an apostrophe in such a position gets a second one, so that `unescape(escape(text)) == text` for every text.
"""

import re

from core.api import trimmed

# ASCII, full-width and small forms, and the mathematical minus sign.
_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_SEPARATORS = ",;|\t\r\n"
# Quotation marks and invisible characters, without separators: a program may drop them before it looks for a formula.
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

_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*+)"')
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)


def escape(text: str) -> str:
    """Return a text as a cell that spreadsheets do not evaluate."""
    inside = _INSIDE.sub(r"\1'", text)
    return f"'{inside}" if _BEGINS.match(text) else inside


def unescape(text: str) -> str:
    """Return the text of an escaped cell."""
    if "'" not in text:
        return text
    inside = _INSIDE_ESCAPED.sub(r"\1", text)
    return inside[1:] if _BEGINS_ESCAPED.match(text) else inside


def content_of(cell: str) -> str:
    """Return the content of a cell of a file: unescaped and trimmed. A formula such as `="0044"`, which makes a program
    keep the zeros, stands for its text."""
    if not cell or (cell.isascii() and cell.isalnum()):  # most cells
        return cell
    plain = trimmed(cell)
    if plain.startswith('="') and (formula := _TEXT_FORMULA.fullmatch(plain)):
        return trimmed(formula[1].replace('""', '"'))
    return trimmed(unescape(plain))


def escape_as_read(cell: str, *, is_mark: bool) -> str:
    """Return a file's cell escaped for display, so that importing it gives the same content. Numbers of marks are not
    escaped."""
    content = content_of(cell)
    return content if is_mark and _NUMBER.fullmatch(content) else escape(content)
