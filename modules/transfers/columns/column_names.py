"""The names of columns that are not subjects."""

import re

from modules.transfers.files.formula_escaping import content_of

FIELDS = ("roll_no", "name", "branch")
# The column that `errors.csv` adds; imports ignore it.
REASON = "import_error"
READ_ONLY = ("created_at", "updated_at")


def name_of(cell: str) -> str:
    """Return the column name in a cell of the header. A line break in it counts as a space."""
    return re.sub(r"[^\S\r\n]*[\r\n]\s*", " ", content_of(cell))


def field_of(name: str) -> str | None:
    """Return the field that a column's name means, or None."""
    return name if name in FIELDS else None
