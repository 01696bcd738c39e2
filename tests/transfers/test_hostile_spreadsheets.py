"""Workbooks that cannot be read, by accident or by design: each gets an answer of its own, and only the process that
reads it can end."""

import asyncio
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from modules.transfers.files import spreadsheet
from modules.transfers.files.spreadsheet_process.container import MAX_UNPACKED
from modules.transfers.files.spreadsheet_process.errors import DAMAGED, TOO_LARGE
from modules.transfers.files.table import InvalidFile
from tests.processes import until
from tests.transfers.helpers import JSON, imported, send, table
from tests.transfers.test_bad_files import assert_nothing_is_left
from tests.transfers.workbooks import (
    ODS,
    PERCENT,
    XLSX,
    Sheet,
    Value,
    Xml,
    archive,
    error,
    manifest,
    ods,
    ods_cell,
    workbook,
    xlsx,
)

HEADER: list[Value] = ["roll_no", "name", "branch", "math"]
STUDENT: list[Value] = ["S1", "Asha", "Physics", 91]
SHEET = "xl/worksheets/sheet1.xml"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
LAUGHS = "<!DOCTYPE x [<!ENTITY a '" + "ha" * 1_000 + "'>" + "".join(
    f"<!ENTITY {after} '{f'&{before};' * 10}'>" for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)  # fmt: skip


def stream(name: str) -> bytes:
    """Return a compound file whose directory has a stream of this name."""
    return OLE + name.encode("utf-16-le") + bytes(100)


def unpacked_to(size: int) -> bytes:
    """Return a workbook whose directory says that a part has this size."""
    buffer = BytesIO(workbook(HEADER))
    with ZipFile(buffer, "a", ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/media/image1.png", b"")
        bomb.filelist[-1].file_size = size
    return buffer.getvalue()


def laughing(content: bytes, part: str, root: str, text: str) -> bytes:
    """Return a workbook in which a part declares entities that refer to each other, and has the last one as a text."""
    with ZipFile(BytesIO(content)) as old:
        parts = {name: old.read(name).decode() for name in old.namelist()}
    parts[part] = f"{LAUGHS}]>{parts[part].replace(text, '&i;')}".replace("DOCTYPE x", f"DOCTYPE {root}")
    return archive(parts)


WIDE = [ods_cell("string", "x", 'table:number-columns-repeated="10001"')]
FULL = ods_cell("string", "x", 'table:number-columns-repeated="16384"')
ENDLESS = Xml(f'<table:table-row table:number-rows-repeated="1048576">{FULL}</table:table-row>')
PERCENTAGE = ods_cell("percentage", "LAUGH", 'office:value="0.07"')
FAR = Xml('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
BACKWARDS = [Xml(f'<row r="{row}"><c r="A{row}" s="{PERCENT}"><v>0.5</v></c></row>') for row in (3, 2)]
DRAWN = Sheet("Class", [HEADER, STUDENT])

FILES: Mapping[str, tuple[bytes, str]] = {
    "a workbook that unpacks to gigabytes": (unpacked_to(MAX_UNPACKED), TOO_LARGE),
    "a cell in the last row and column": (workbook(HEADER, FAR), TOO_LARGE),
    "a cell that is repeated in all rows and columns": (ods(ENDLESS), TOO_LARGE),
    "too many columns": (ods(WIDE), TOO_LARGE),
    "entities without end": (laughing(workbook(HEADER, [error("#N/A")]), SHEET, "worksheet", "#N/A"), DAMAGED),
    "entities without end in an ODS file": (
        laughing(
            ods([ods_cell("percentage", "LAUGH", 'office:value="0.07"')]),
            "content.xml",
            "office:document-content",
            "LAUGH",
        ),
        DAMAGED,
    ),
    "rows in the wrong order": (workbook(HEADER, *BACKWARDS), DAMAGED),
    "a truncated workbook": (workbook(HEADER, STUDENT)[:-100], DAMAGED),
    "a truncated sheet": (xlsx(DRAWN, parts={SHEET: "<worksheet><sheetData><row><c>"}), DAMAGED),
    "a sheet that is no XML": (xlsx(DRAWN, parts={SHEET: bytes(range(256)) * 10}), DAMAGED),
    "a workbook that is no XML": (xlsx(DRAWN, parts={"xl/workbook.xml": b"<<<"}), DAMAGED),
    "a workbook without sheets": (xlsx(), DAMAGED),
    "a sheet that is missing": (xlsx(DRAWN, parts={"xl/_rels/workbook.xml.rels": "<Relationships/>"}), DAMAGED),
    "an ODS file that is no XML": (ods(parts={"content.xml": "<a>"}), DAMAGED),
    "an ODS file without content": (ods(HEADER, parts={"META-INF/manifest.xml": b"\0"})[:-200], DAMAGED),
    "an XLSX file with a password": (stream("EncryptedPackage"), "password"),
    "an ODS file with a password": (
        ods(HEADER, parts={"META-INF/manifest.xml": manifest("<manifest:encryption-data/>")}),
        "password",
    ),
    "an .xls file": (stream("Workbook"), ".xls. Save it as .xlsx"),
    "a .doc file": (stream("WordDocument"), "a Word document"),
    "a .docx file": (archive({"word/document.xml": ""}), "a Word document"),
    "a .pptx file": (archive({"ppt/presentation.xml": ""}), "a PowerPoint presentation"),
    "an .xlsb file": (archive({"xl/workbook.bin": ""}), ".xlsb. Save it as .xlsx"),
    "a .numbers file": (archive({"Index/Document.iwa": ""}), "Apple Numbers"),
    "an .odt file": (archive({"mimetype": "application/vnd.oasis.opendocument.text"}), "not a workbook"),
    "an .epub file": (archive({"mimetype": "application/epub+zip"}), "zip archive"),
    "a zip of a CSV file": (archive({"class.csv": "roll_no\n"}), "zip archive"),
    "an empty zip": (archive({}), "zip archive"),
}


@pytest.mark.parametrize(("content", "named"), FILES.values(), ids=FILES.keys())
def test_a_workbook_that_cannot_be_read_is_told_why(
    teacher: TestClient, database: Database[JSON], content: bytes, named: str
) -> None:
    answer = send(teacher, content, XLSX)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-file")
    assert named in answer.json()["detail"]
    assert_nothing_is_left(database)


def test_a_process_that_needs_too_much_memory_ends_alone(teacher: TestClient) -> None:
    send(teacher, workbook(HEADER, FAR), XLSX)

    assert imported(teacher, table([HEADER, STUDENT]))["created"] == 1


def test_the_media_types_of_workbooks_are_documented(client: TestClient) -> None:
    body = client.get("/openapi.json").json()["paths"]["/imports"]["post"]["requestBody"]

    assert {XLSX, ODS} <= set(body["content"])


@pytest.fixture
def never_ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace the process with one that never ends. Return the file where it writes its id."""
    started = tmp_path / "started"
    code = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(spreadsheet, "_COMMAND", [sys.executable, "-c", code])
    return started


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@pytest.mark.process
def test_the_process_is_killed_when_the_import_is_cancelled(never_ending: Path, tmp_path: Path) -> None:
    async def cancel() -> None:
        converting = asyncio.create_task(spreadsheet.convert(Path("/dev/null"), tmp_path / "target", None))
        await asyncio.to_thread(until, lambda: never_ending.exists() and never_ending.read_text() != "")
        converting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await converting

    asyncio.run(cancel())

    assert not is_running(int(never_ending.read_text()))


@pytest.mark.process
def test_the_process_is_killed_when_it_takes_too_long(
    never_ending: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_SECONDS", 3)

    with pytest.raises(InvalidFile) as raised:
        asyncio.run(spreadsheet.convert(Path("/dev/null"), tmp_path / "target", None))

    assert raised.value.detail == TOO_LARGE
    assert not is_running(int(never_ending.read_text()))
