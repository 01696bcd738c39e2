"""Conversion of workbooks (XLSX, ODS) to CSV by a process of its own, so that a hostile file can end only that process.
It has limits of memory, time and disk, and is killed when the import is cancelled."""

import asyncio
import json
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from modules.transfers.files import file_store
from modules.transfers.files.spreadsheet_process.errors import DAMAGED, TOO_LARGE
from modules.transfers.files.table import InvalidFile
from modules.transfers.prefetch import in_thread

MAX_SECONDS = 600.0
MAX_NAMED = 20

# The last bytes of what the process says that are kept: the report has the names of all sheets and 1,000 ranges.
PIECE = 1_000_000

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_OLE = b"\xd0\xcf\x11\xe0"

# Isolated mode: this folder and PYTHONPATH must not shadow the standard library. The package is imported by its own
# name, because its parents would import the whole service.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from spreadsheet_process.main import main; main()"
_COMMAND = [sys.executable, "-I", "-X", "utf8", "-c", _START, str(Path(__file__).parent)]

Merge = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Workbook:
    """What was read of a workbook: its format, the sheet, the names of all visible sheets, the number of rows, and the
    merged ranges (the indexes of row and column of the first and the last cell)."""

    format: str
    sheet: str
    sheets: Sequence[str]
    rows: int
    merged: Sequence[Merge]

    def refuse_merged(self, header_line: int, ignored_rows: Collection[int] = ()) -> None:
        """Raise `InvalidFile` if cells are merged in the header or below it: all but the first would be blank. Those in
        rows that are ignored do no harm."""
        found = [
            _name_of((first, last))
            for first, last in self.merged
            if any(row + 1 >= header_line and row + 1 not in ignored_rows for row in range(first[0], last[0] + 1))
        ]
        if found:
            more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
            raise InvalidFile(
                f'The sheet "{self.sheet[:100]}" has merged cells: {", ".join(found[:MAX_NAMED])}{more}. Only the '
                "first cell of a merged range has a value. Split the ranges, and fill in each cell. Rows that are no "
                "students can also be left out with ignore_rows=."
            )


@asynccontextmanager
async def as_text(path: Path, sheet: str | None) -> AsyncIterator[tuple[Path, Workbook | None]]:
    """Yield the path of a file that can be read as text: the file itself, or a sheet of a workbook as CSV, which exists
    while the context is open. The content decides which one it is. Raise `InvalidFile`."""
    if not await in_thread(_is_workbook, path):
        if sheet is not None:
            raise InvalidFile("This file is not a workbook, so it has no sheets. Leave out `sheet`.")
        yield path, None
        return
    with file_store.temporary_path() as target:
        yield target, await convert(path, target, sheet)


def _is_workbook(path: Path) -> bool:
    """Return whether a file is a zip archive or a compound file, as workbooks and some other documents are."""
    with path.open("rb") as file:
        return file.read(4) in (_ZIP, _EMPTY_ZIP, _OLE)


async def convert(source: Path, target: Path, sheet: str | None) -> Workbook:
    """Write a sheet of a workbook as CSV (UTF-8, commas), one line for each row, so that line N is row N. Raise
    `InvalidFile`."""
    with source.open("rb") as content, target.open("wb") as output, _links() as links:
        return _result(*await _run(content, output, [links, json.dumps(sheet)]))


@contextmanager
def _links() -> Iterator[str]:
    """Make a folder with links that mean the standard input of whichever process opens them."""
    with tempfile.TemporaryDirectory() as folder:
        for format_ in ("xlsx", "ods"):
            Path(folder, f"workbook.{format_}").symlink_to("/dev/stdin")
        yield folder


async def _run(content: BinaryIO, output: BinaryIO, arguments: Sequence[str]) -> tuple[int, bytes]:
    """Run the process, and return its exit code and its last line."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        *arguments,
        stdin=content,
        stdout=output,
        stderr=PIPE,
        start_new_session=True,  # Ctrl-C at a terminal interrupts the import, which can then be resumed
    )
    try:
        async with asyncio.timeout(MAX_SECONDS):
            last = await _last_line(process)
            return await process.wait(), last
    except TimeoutError:
        return -signal.SIGXCPU, b""
    finally:
        await _end(process)


async def _last_line(process: Process) -> bytes:
    """Read what a process says until it ends, and return its last line."""
    assert process.stderr
    said = b""
    while piece := await process.stderr.read(PIECE):
        said = (said + piece)[-PIECE:]
    return said.strip().rpartition(b"\n")[2]


async def _end(process: Process) -> None:
    """Kill a process that still runs, and wait for its end even if the caller is cancelled again."""
    if process.returncode is None:
        process.kill()
        await asyncio.shield(process.wait())


def _result(code: int, last: bytes) -> Workbook:
    if code in (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGXCPU):
        raise InvalidFile(TOO_LARGE)
    if code:
        raise InvalidFile(DAMAGED)
    report = json.loads(last)
    if "refused" in report:
        raise InvalidFile(report["refused"])
    return Workbook(**report)


def _name_of(merge: Merge) -> str:
    """Return a range as spreadsheets write it: `B2:D2`."""
    return ":".join(f"{_letters(column)}{row + 1}" for row, column in merge)


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
