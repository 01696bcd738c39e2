"""Reading of text files line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from modules.transfers.files.table import MAX_ROW, InvalidFile

UTF_8 = "utf-8-sig"


def open_text(path: Path, encoding: str = UTF_8) -> TextIO:
    """Open a file for `Lines`. Raise `InvalidFile` if it is a zip archive."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InvalidFile("This is a zip archive, perhaps an Excel workbook. Save it as CSV (UTF-8).")
    return path.open(encoding=encoding, newline="")


class Lines(Iterator[str]):
    """An iterator over the lines of a file, with their line ends. `is_first_of_row` is about the last line returned.

    It raises `InvalidFile` for a line, or a row of several lines, longer than `MAX_ROW` characters, for invalid UTF-8
    and for NUL bytes.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 0
        self._left = MAX_ROW
        self.is_first_of_row = False

    def begin_row(self) -> None:
        """Start a new row with the next line, which resets the length limit."""
        self._left = MAX_ROW

    def __next__(self) -> str:
        self._number += 1
        self.is_first_of_row = self._left == MAX_ROW
        try:
            line = self._text.readline(MAX_ROW)
        except UnicodeDecodeError:
            detail = f"The text near line {self._number} is not UTF-8. Save the file with the encoding UTF-8."
            raise InvalidFile(detail) from None
        if not line:
            raise StopIteration
        if "\0" in line:
            raise InvalidFile(f"Line {self._number} contains a NUL byte, so the file is not UTF-8 text.")
        self._left -= len(line)
        if self._left <= 0:
            raise InvalidFile(f"The row at line {self._number} is longer than {MAX_ROW:,} characters.")
        return line
