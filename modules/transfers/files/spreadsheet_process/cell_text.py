"""The text of a cell as CSV has it: what a spreadsheet shows, but independent of formats, language and time zone."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

Value = int | float | str | bool | time | date | datetime | timedelta

PERCENT = "%"

# A spreadsheet keeps 15 significant digits of a number, so the last digits of a longer one are wrong.
_DIGITS = 15


def text_of(value: Value) -> str:
    """Return a value as text, with dates and times as in ISO 8601. A line break becomes a space, so that each row has
    one line, and so does a tab."""
    if isinstance(value, str):
        return value if value.isprintable() else _one_line(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value)
    return _duration(value) if isinstance(value, timedelta) else value.isoformat()


def _one_line(text: str) -> str:
    return " ".join(filter(None, map(str.strip, text.replace("\t", " ").splitlines())))


def percentage_of(value: Value) -> str:
    """Return a number that is formatted as a percentage, such as `85%` for 0.85."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text_of(value)
    return f"{_number(value * 100)}{PERCENT}"


def _number(value: float) -> str:
    """Return a number without the artifacts of binary fractions: 0.3 for 0.1 + 0.2. A number of more than 15 digits
    keeps an exponent, because it is not what was typed: it must not look like a complete roll number."""
    text = f"{value:.{_DIGITS}g}"
    if abs(value) >= 10**_DIGITS:
        return text.upper()
    return f"{Decimal(text):f}" if text != "-0" else "0"


def _duration(value: timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"PT{minutes // 60}H{minutes % 60:02}M{seconds:02}S"
