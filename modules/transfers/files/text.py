"""Reading of text files line by line, in the encoding that they are written in."""

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from modules.transfers.files.table import MAX_ROW, InvalidFile

UTF_8, UTF_16, WINDOWS_1252 = "utf-8", "utf-16", "windows-1252"
Encoding = Literal[
    "utf-8", "utf-16", "windows-1252", "windows-1250", "windows-1251", "iso-8859-1", "iso-8859-15", "macintosh"
]
# The encodings of files, with Python's names. A byte order mark is skipped.
ENCODINGS: Mapping[str, str] = {
    UTF_8: "utf-8-sig",
    UTF_16: "utf-16",
    WINDOWS_1252: "cp1252",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "macintosh": "mac-roman",
}

_PIECE = 200_000
# Control characters, and bytes that Windows-1252 does not define.
_NOT_WINDOWS_1252 = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
_UTF_8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def detect_encoding(path: Path) -> str:
    """Return the encoding of a whole file: UTF-16 with a byte order mark, UTF-8, or Windows-1252 if it is neither.
    Raise `InvalidFile` if the file is not text."""
    with _open_bytes(path) as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return UTF_16
        if _is_utf_8(file):
            return UTF_8
        _check_windows_1252(file)
        return WINDOWS_1252


def _open_bytes(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.read(4) == b"PK\x03\x04":
        file.close()
        raise InvalidFile("This is a zip archive, perhaps an Excel workbook. Save it as CSV (UTF-8).")
    file.seek(0)
    return file


def _is_utf_8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in _pieces(file):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _check_windows_1252(file: BinaryIO) -> None:
    """Raise `InvalidFile` for a file that is neither UTF-8 nor Windows-1252: read as the latter, a file of UTF-8 with a
    single wrong byte would have wrong letters in every name."""
    for piece in _pieces(file):
        if _NOT_WINDOWS_1252.search(piece):
            raise InvalidFile(
                "This is not a text file in UTF-8, in UTF-16 with a byte order mark, or in Windows-1252. "
                "Save it as CSV (UTF-8)."
            )
        if _UTF_8_CHARACTER.search(piece):
            raise InvalidFile(
                "Some characters of this file are UTF-8, and some are not. Save the file as CSV (UTF-8), or name its "
                f"encoding with encoding=, such as encoding={WINDOWS_1252}."
            )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


def open_text(path: Path, encoding: str = UTF_8) -> TextIO:
    """Open a file for `Lines`. Raise `InvalidFile` if it is a zip archive."""
    _open_bytes(path).close()
    return path.open(encoding=ENCODINGS[encoding], newline="")


class Lines(Iterator[str]):
    """An iterator over the lines of a file, with their line ends. `is_first_of_row` is about the last line returned.

    It raises `InvalidFile` for a line, or a row of several lines, longer than `MAX_ROW` characters, for text in another
    encoding and for NUL bytes.
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
        except UnicodeError:  # also for UTF-16 without a byte order mark
            encoding = self._text.encoding.removesuffix("-sig").upper()
            detail = f"The text near line {self._number} is not {encoding}. Save the file with the encoding UTF-8."
            raise InvalidFile(detail) from None
        if not line:
            raise StopIteration
        if "\0" in line:
            detail = (
                f"Line {self._number} contains a NUL byte, so the file is binary, or UTF-16 without a byte order mark."
            )
            raise InvalidFile(detail)
        self._left -= len(line)
        if self._left <= 0:
            raise InvalidFile(f"The row at line {self._number} is longer than {MAX_ROW:,} characters.")
        return line
