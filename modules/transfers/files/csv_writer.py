"""Writing of CSV lines."""

import csv
from collections.abc import Sequence
from io import StringIO

# Makes spreadsheets read the file as UTF-8.
BOM = b"\xef\xbb\xbf"


def csv_line(cells: Sequence[str], separator: str = ",") -> bytes:
    """Return one line of a CSV file."""
    text = StringIO()
    csv.writer(text, delimiter=separator).writerow(cells)
    return text.getvalue().encode()
