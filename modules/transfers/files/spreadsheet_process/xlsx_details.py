"""Errors of formulas and percentages in a sheet of an XLSX file (ECMA-376-1, 18.3.1.4), which calamine reads as blank
cells and as plain numbers."""

import re
from collections.abc import Iterator, Mapping
from posixpath import join, normpath
from zipfile import ZipFile

from .cell_text import PERCENT
from .xml_stream import local, parse, pieces

RowDetails = tuple[int, dict[int, str]]
"""The index of a row, and for the index of a column the error in its cell, or `PERCENT`."""

_PERCENT_FORMATS = {"9", "10"}
_QUOTED = re.compile(r'"[^"]*"|\\.')
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d+)")
_ERROR = re.compile(rb"""\st\s*=\s*["']e["']""")


def details_of(archive: ZipFile, sheet: str) -> Iterator[RowDetails]:
    """Yield the rows of a sheet that have a cell with an error or a percentage, in the order of the file."""
    path, styles = _path_of(archive, sheet), _percent_styles(archive)
    if styles or _has_error(archive, path):
        yield from _details(archive, path, styles)


def _path_of(archive: ZipFile, sheet: str) -> str:
    """Return the name of the part with a sheet. Raise KeyError if there is none."""
    ids: dict[str, str] = {}
    targets: dict[str, str] = {}

    def start(name: str, attributes: Mapping[str, str]) -> None:
        given = {local(key): value for key, value in attributes.items()}
        if local(name) == "sheet":
            ids[given["name"]] = given["id"]
        elif local(name) == "Relationship":
            targets[given["Id"]] = given["Target"]

    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        with archive.open(part) as file:
            for _ in parse(file, start):
                pass
    target = targets[ids[sheet]]
    return normpath(join("xl", target)) if not target.startswith("/") else target[1:]


def _percent_styles(archive: ZipFile) -> set[str]:
    """Return the indexes of the cell formats that show a number as a percentage."""
    percent, styles = set(_PERCENT_FORMATS), list[str]()
    is_inside = False

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal is_inside
        if local(name) == "numFmt" and PERCENT in _QUOTED.sub("", attributes["formatCode"]):
            percent.add(attributes["numFmtId"])
        is_inside = is_inside or local(name) == "cellXfs"
        if is_inside and local(name) == "xf":
            styles.append(attributes.get("numFmtId", "0"))

    def end(name: str) -> None:
        nonlocal is_inside
        is_inside = is_inside and local(name) != "cellXfs"

    if "xl/styles.xml" in archive.namelist():
        with archive.open("xl/styles.xml") as file:
            for _ in parse(file, start, end):
                pass
    return {str(index) for index, number_format in enumerate(styles) if number_format in percent}


def _has_error(archive: ZipFile, path: str) -> bool:
    """Return whether a cell of a sheet may have an error. A search for bytes is much faster than parsing."""
    before = b""
    with archive.open(path) as file:
        for piece in pieces(file):
            if _ERROR.search(before + piece):
                return True
            before = piece[-10:]
    return False


class _Sheet:
    """The position in a sheet that is being parsed, and the details found so far."""

    def __init__(self, percent_styles: set[str]) -> None:
        self.found: dict[int, dict[int, str]] = {}
        self._percent_styles = percent_styles
        self._row = self._column = -1
        self._is_error = self._is_value = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Record where a cell is and what kind it is. A cell without a reference follows the cell before it."""
        name = local(name)
        if name == "row":
            self._row = int(attributes["r"]) - 1 if "r" in attributes else self._row + 1
            self._column = -1
        elif name == "c":
            self._row, self._column = self._position(attributes.get("r"))
            self._is_error = attributes.get("t") == "e"
            if attributes.get("s") in self._percent_styles and not self._is_error:
                self._add(PERCENT)
        self._is_value = name == "v"

    def text(self, text: str) -> None:
        """Record the text of an error."""
        if self._is_error and self._is_value:
            self._add(text)

    def end(self, _: str) -> None:
        """Ignore text after a value."""
        self._is_value = False

    def _position(self, reference: str | None) -> tuple[int, int]:
        match = _REFERENCE.fullmatch(reference or "")
        if match is None:
            return self._row, self._column + 1
        column = 0
        for letter in match[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        return int(match[2]) - 1, column - 1

    def _add(self, detail: str) -> None:
        self.found.setdefault(self._row, {})[self._column] = detail


def _details(archive: ZipFile, path: str, percent_styles: set[str]) -> Iterator[RowDetails]:
    sheet = _Sheet(percent_styles)
    with archive.open(path) as file:
        for _ in parse(file, sheet.start, sheet.end, sheet.text):
            while len(sheet.found) > 1:  # the last row may continue in the next piece
                yield (row := next(iter(sheet.found))), sheet.found.pop(row)
    yield from sheet.found.items()
