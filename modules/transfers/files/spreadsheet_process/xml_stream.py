"""Reading of a part of a workbook piece by piece (expat)."""

from collections.abc import Callable, Iterator, Mapping
from typing import IO
from xml.parsers import expat

PIECE = 65_536

Start = Callable[[str, Mapping[str, str]], None]


def pieces(part: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a part in pieces."""
    while piece := part.read(PIECE):
        yield piece


def parse(
    part: IO[bytes],
    start: Start,
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Parse a part, call the functions for its elements and its text, and yield after each piece. Raise `ExpatError` if
    it is not well-formed, or declares a document type: workbooks have none, but XML bombs do."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
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
