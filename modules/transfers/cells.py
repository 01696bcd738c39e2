"""Cells that a spreadsheet would run as a formula, defused on the way out and restored on the way in.

A quotation mark in front makes a spreadsheet show such a text as it is (OWASP, "CSV Injection"). A text that has
quotation marks there already gets one more, so that taking one away always gives the text back.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_DEFUSED = re.compile(r"'+[=+\-@\t\r]")


def defused(text: str) -> str:
    """A text as it can stand in a spreadsheet."""
    return f"'{text}" if _FORMULA.match(text) else text


def undefused(text: str) -> str:
    """The text that a cell stands for."""
    return text[1:] if _DEFUSED.match(text) else text
