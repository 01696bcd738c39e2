"""Percentages in a sheet of an XLSX file (ECMA-376-1, 18.3.1.4), which calamine reads as plain numbers."""

import re
from collections.abc import Collection, Iterator, Mapping
from posixpath import join, normpath
from zipfile import ZipFile

from .cell_text import PERCENT
from .xml_stream import local, parse

RowPercentages = tuple[int, Collection[int]]
"""The index of a row, and the indexes of its cells that are percentages."""

_PERCENT_FORMATS = {"9", "10"}
_QUOTED = re.compile(r'"[^"]*"|\\.')
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d+)")


def percentages_of(archive: ZipFile, sheet: str) -> Iterator[RowPercentages]:
    """Yield the rows of a sheet that have a percentage, in the order of the file."""
    path, styles = _path_of(archive, sheet), _percent_styles(archive)
    if styles:
        yield from _percentages(archive, path, styles)


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


class _Sheet:
    """The position in a sheet that is being parsed, and the percentages found so far."""

    def __init__(self, percent_styles: set[str]) -> None:
        self.found: dict[int, set[int]] = {}
        self._percent_styles = percent_styles
        self._row = self._column = -1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Record where a cell is and what kind it is. A cell without a reference follows the cell before it."""
        name = local(name)
        if name == "row":
            self._row = int(attributes["r"]) - 1 if "r" in attributes else self._row + 1
            self._column = -1
        elif name == "c":
            self._row, self._column = self._position(attributes.get("r"))
            if attributes.get("s") in self._percent_styles:
                self.found.setdefault(self._row, set()).add(self._column)

    def _position(self, reference: str | None) -> tuple[int, int]:
        match = _REFERENCE.fullmatch(reference or "")
        if match is None:
            return self._row, self._column + 1
        column = 0
        for letter in match[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        return int(match[2]) - 1, column - 1


def _percentages(archive: ZipFile, path: str, percent_styles: set[str]) -> Iterator[RowPercentages]:
    sheet = _Sheet(percent_styles)
    with archive.open(path) as file:
        for _ in parse(file, sheet.start):
            while len(sheet.found) > 1:  # the last row may continue in the next piece
                yield (row := next(iter(sheet.found))), sheet.found.pop(row)
    yield from sheet.found.items()
