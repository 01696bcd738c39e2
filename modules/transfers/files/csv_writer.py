"""Writing CSV."""

import csv
from collections.abc import Sequence
from io import StringIO

# Tells spreadsheets that a text is UTF-8.
BOM = b"\xef\xbb\xbf"


def csv_line(cells: Sequence[str], separator: str = ",") -> bytes:
    """Return one line of a CSV file."""
    text = StringIO()
    csv.writer(text, delimiter=separator).writerow(cells)
    return text.getvalue().encode()
