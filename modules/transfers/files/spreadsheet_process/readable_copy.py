"""A copy of a workbook that differs only where calamine would lose the text of a cell, or refuse the whole workbook."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from .xml_stream import contains, pieces

_Changes = Sequence[tuple[re.Pattern[bytes], bytes]]

_CHANGES: Mapping[str, _Changes] = {
    "xlsx": [
        # An error of a formula (ECMA-376-1, 18.18.11) becomes a text. Calamine reads the errors that it knows as blank
        # cells, and refuses a workbook with another one, such as #SPILL!.
        (re.compile(rb"""(<(?:\w+:)?c\s(?:[^<>]*?\s)?t\s*=\s*["'])e(?=["'])"""), rb"\1str"),
        # A formula without a result, as programs write it that do not calculate, becomes an error: it is not blank.
        (
            re.compile(
                rb"(<(?:\w+:)?c(?:\s(?!t\s*=)[^<>\s]*)*)>\s*(<(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*</(?:\w+:)?f>))"
                rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?(?=\s*</(?:\w+:)?c>)"
            ),
            rb'\1 t="str">\2<v>#NOT_CALCULATED!</v>',
        ),
    ],
    "ods": [
        # Calamine skips tabs and line breaks (ODF 1.3 part 3, 6.1.4 and 6.1.5), so they become blanks.
        (re.compile(rb"""(</?text:)(?:tab|line-break)(?=[\s/>])"""), rb"\1s"),
        # An error has an empty value, which calamine reads instead of the text that is shown.
        (re.compile(rb"""(<table:table-cell\s(?:[^<>]*?\s)?)office:string-value\s*=\s*(?:""|'')"""), rb"\1"),
    ],
}
# What every match has in it, and is much faster to find.
_SIGNS: Mapping[str, re.Pattern[bytes]] = {
    "xlsx": re.compile(
        rb"""\st\s{0,9}=\s{0,9}["']e["']"""
        rb"|(?:/>|</(?:\w{1,9}:)?f>|v>\s{0,9}</(?:\w{1,9}:)?v>)\s{0,9}</(?:\w{1,9}:)?c>"
    ),
    "ods": re.compile(rb"""text:(?:tab|line-break)|string-value\s{0,9}=\s{0,9}(?:""|'')"""),
}
# Where no match continues: after a cell, and after a tag.
_ENDS: Mapping[str, Sequence[bytes]] = {"xlsx": (b"/c>", b":c>"), "ods": (b">",)}


def readable_copy(archive: ZipFile, format_: str) -> IO[bytes] | None:
    """Return a copy of a workbook that calamine reads rightly, or None if it reads the workbook itself so. The copy has
    only the parts that are XML, and is deleted when it is closed."""
    if not any(contains(archive, part, _SIGNS[format_]) for part in _xml_parts(archive)):
        return None
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    with ZipFile(copy, "w", ZIP_DEFLATED, compresslevel=1) as target:
        for part in _xml_parts(archive):
            with archive.open(part) as old, target.open(part, "w", force_zip64=True) as new:
                for piece in _whole(pieces(old), _ENDS[format_]):
                    new.write(_changed(piece, _CHANGES[format_]))
    copy.seek(0)
    return copy


def _xml_parts(archive: ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.endswith((".xml", ".rels")) or name == "mimetype"]


def _changed(piece: bytes, changes: _Changes) -> bytes:
    for pattern, replacement in changes:
        piece = pattern.sub(replacement, piece)
    return piece


def _whole(read: Iterator[bytes], ends: Sequence[bytes]) -> Iterator[bytes]:
    """Yield pieces that stop where no match continues, unless that would be very long ones."""
    left = b""
    for piece in read:
        left += piece
        cut = max((left.rfind(end) + len(end) for end in ends if end in left), default=len(left))
        yield left[:cut]
        left = left[cut:]
    yield left
