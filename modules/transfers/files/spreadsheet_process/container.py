"""Recognition of workbooks by their content, whatever they are called. Everything else gets an answer of its own."""

import mmap
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from .errors import DAMAGED, TOO_LARGE, UnreadableWorkbook

MAX_UNPACKED = 2_000_000_000

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ODF = "application/vnd.oasis.opendocument."

_PASSWORD = "This workbook is protected with a password. Save it without a password, and send that."  # noqa: S105
_XLS = "This is a workbook in the old format .xls. Save it as .xlsx, and send that."
_XLSB = "This is a workbook in the binary format .xlsb. Save it as .xlsx, and send that."
_NUMBERS = "This is a document of Apple Numbers. Export it as Excel (.xlsx) or CSV, and send that."
_NO_WORKBOOK = "This is {}, not a workbook. Copy the table into a spreadsheet, save that as .xlsx or .ods, and send it."
_ZIP = "This is a zip archive, and not a workbook. Unpack it, and send the file that is in it."

# What other documents that are zip archives have in them.
_OTHERS = {
    "word/document.xml": _NO_WORKBOOK.format("a Word document"),
    "ppt/presentation.xml": _NO_WORKBOOK.format("a PowerPoint presentation"),
    "xl/workbook.bin": _XLSB,
    "Index/Document.iwa": _NUMBERS,
    "Index.zip": _NUMBERS,
    "index.apxl": _NUMBERS,
}


def open_archive(file: BinaryIO) -> tuple[ZipFile, str]:
    """Open a workbook and return it with its format, `xlsx` or `ods`. Raise `UnreadableWorkbook` for anything else."""
    if file.read(len(_OLE)) == _OLE:
        raise UnreadableWorkbook(_ole_document(file))
    try:
        archive = ZipFile(file)
        format_ = _format(archive)
    except (BadZipFile, OSError, KeyError, ValueError, NotImplementedError, RuntimeError):
        raise UnreadableWorkbook(DAMAGED) from None
    if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
        raise UnreadableWorkbook(TOO_LARGE)
    return archive, format_


def _ole_document(file: BinaryIO) -> str:
    """Say what a compound file is (MS-CFB). Its directory has the names of the streams in UTF-16."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            return _PASSWORD
        if content.find("WordDocument".encode("utf-16-le")) >= 0:
            return _NO_WORKBOOK.format("a Word document")
    return _XLS


def _format(archive: ZipFile) -> str:
    names = set(archive.namelist())
    if "xl/workbook.xml" in names:
        return "xlsx"
    for name, sentence in _OTHERS.items():
        if name in names:
            raise UnreadableWorkbook(sentence)
    if "mimetype" not in names:
        raise UnreadableWorkbook(_ZIP)
    with archive.open("mimetype") as part:
        media_type = part.read(200).decode("ascii", "replace").strip()
    if not media_type.startswith(_ODF):
        raise UnreadableWorkbook(_ZIP)
    if not media_type.startswith(f"{_ODF}spreadsheet"):
        raise UnreadableWorkbook(_NO_WORKBOOK.format("an OpenDocument file of another kind"))
    if _is_encrypted(archive):
        raise UnreadableWorkbook(_PASSWORD)
    return "ods"


def _is_encrypted(archive: ZipFile) -> bool:
    """Return whether the manifest of an OpenDocument file names a key (ODF 1.3 part 2, 4.3)."""
    with archive.open("META-INF/manifest.xml") as manifest:
        return b"encryption-data" in manifest.read(1_000_000)
