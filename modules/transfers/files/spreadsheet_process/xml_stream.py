"""Reading of a part of a workbook piece by piece (expat)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO
from xml.parsers import expat
from zipfile import ZipFile

PIECE = 65_536
# The maximum length of what is searched for.
_MAX_MATCH = 50

Start = Callable[[str, Mapping[str, str]], None]


def pieces(part: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a part in pieces."""
    while piece := part.read(PIECE):
        yield piece


def contains(archive: ZipFile, name: str, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a part has a match of a pattern, which is much faster to find out than by parsing."""
    before = b""
    with archive.open(name) as part:
        for piece in pieces(part):
            if pattern.search(before + piece):
                return True
            before = piece[-_MAX_MATCH:]
    return False


def parse(part: IO[bytes], start: Start, end: Callable[[str], None] | None = None) -> Iterator[None]:
    """Parse a part, call the functions for its elements, and yield after each piece. Raise `ExpatError` if it is not
    well-formed, or declares a document type: workbooks have none, but XML bombs do."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    for piece in pieces(part):
        parser.Parse(piece)
        yield
    parser.Parse(b"", True)
    yield


def _refuse_document_type(*_: object) -> None:
    raise expat.ExpatError("A workbook has no document type.")


def local(name: str) -> str:
    """Return a name without its prefix."""
    return name.rpartition(":")[2]
