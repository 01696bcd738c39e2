"""Conversion of a workbook, the standard input, to CSV, the standard output.

The arguments are a folder with links to the standard input, named `workbook.xlsx` and `workbook.ods` because calamine
tells formats by file names, and the sheet as JSON, which may be null. The last line of the standard error is a JSON
object: the result, or under `refused` why the workbook cannot be read.
"""

import csv
import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile, ZipFile

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from . import ods_details, xlsx_details
from .cell_text import PERCENT, Value, percentage_of, text_of
from .container import open_archive
from .errors import DAMAGED, TOO_LARGE, UnreadableWorkbook
from .sheets import choose, is_blank, names_of

MAX_MEMORY = 1_000_000_000
MAX_CPU_SECONDS = 180
MAX_CSV = 500_000_000

MAX_ROWS = 1_048_576
MAX_COLUMNS = 10_000
MAX_CELLS = 20_000_000
MAX_MERGED = 1_000

_UNKNOWN_ERROR = "A formula in this workbook has an error of an unknown kind. Correct the formula, or clear the cell."


def main() -> None:
    """Convert the workbook and report the result."""
    _limit_resources()
    try:
        report = _convert(sys.stdin.buffer, sys.stdout, sys.argv[1], json.loads(sys.argv[2]))
        sys.stdout.flush()
    except UnreadableWorkbook as error:
        report = {"refused": str(error)}
    except MemoryError:
        report = {"refused": TOO_LARGE}
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        report = {"refused": TOO_LARGE}
    print("\n" + json.dumps(report), file=sys.stderr, flush=True)
    if "refused" in report:
        os._exit(0)  # the buffered rest of a file that is too large cannot be written


def _limit_resources() -> None:
    """Let the process fail, rather than the machine, and let the service run first. The service ends the process, so
    that an import which is stopped does not look like a damaged file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(5)
    limits = {
        resource.RLIMIT_AS: MAX_MEMORY,
        resource.RLIMIT_CPU: MAX_CPU_SECONDS,
        resource.RLIMIT_FSIZE: MAX_CSV,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(kind, (limit, limit))


def _convert(source: BinaryIO, target: TextIO, links: str, wanted: str | None) -> dict[str, Any]:
    archive, format_ = open_archive(source)
    try:
        workbook = CalamineWorkbook.from_path(f"{links}/workbook.{format_}")
        sheet = choose(workbook, wanted)
        columns = _columns_of(sheet)
        merged = list(sheet.merged_cell_ranges or [])
        rows = _write(sheet, _details(archive, format_, sheet.name, merged), target, columns)
    except PasswordError:
        raise UnreadableWorkbook("This workbook is protected with a password.") from None
    except CalamineError as error:
        raise UnreadableWorkbook(_sentence_of(error)) from None
    except (BadZipFile, ExpatError, KeyError, ValueError, EOFError):
        raise UnreadableWorkbook(DAMAGED) from None
    merged = sorted(one for one in merged if one[0][0] < rows)[:MAX_MERGED]
    return {"format": format_, "sheet": sheet.name, "sheets": names_of(workbook), "rows": rows, "merged": merged}


def _sentence_of(error: CalamineError) -> str:
    text = str(error)
    if "cell error" in text:
        return _UNKNOWN_ERROR
    return TOO_LARGE if "imit exceeded" in text else DAMAGED


def _columns_of(sheet: CalamineSheet) -> int:
    """Return the number of columns up to the last one that is not blank. Raise `UnreadableWorkbook` if the
    sheet is too large."""
    rows = columns = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        width = next((index for index in range(len(row), 0, -1) if not is_blank(row[index - 1])), 0)
        columns = max(columns, width)
        rows = number if width else rows
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        raise UnreadableWorkbook(TOO_LARGE)
    return columns


def _details(
    archive: ZipFile, format_: str, sheet: str, merged: list[ods_details.Merge]
) -> Iterator[xlsx_details.RowDetails]:
    if format_ == "ods":
        return ods_details.details_of(archive, sheet, merged)
    return xlsx_details.details_of(archive, sheet)


def _write(sheet: CalamineSheet, details: Iterator[xlsx_details.RowDetails], target: TextIO, columns: int) -> int:
    """Write the rows up to the last one that is not blank, each with the details of its cells, and return their number.
    Raise `UnreadableWorkbook` if the rows are not in order in the file, which no spreadsheet program writes."""
    first_column = sheet.start[1] if sheet.start else 0
    writer = csv.writer(target, lineterminator="\n")
    following = next(details, None)
    written = 0
    for number, row in enumerate(sheet.iter_rows()):
        cells = [text_of(cell) for cell in row[:columns]]
        if following and following[0] == number:
            _add_details(cells, row, following[1], first_column)
            following = next(details, None)
        if following and following[0] <= number:
            raise UnreadableWorkbook(DAMAGED)
        if any(map(str.strip, cells)):
            writer.writerows([[""] * columns] * (number - written))
            writer.writerow(cells)
            written = number + 1
    for _ in details:  # merged cells may follow
        pass
    return written


def _add_details(cells: list[str], row: list[Value], details: dict[int, str], first_column: int) -> None:
    for column, detail in details.items():
        index = column - first_column
        if 0 <= index < len(cells):
            cells[index] = percentage_of(row[index]) if detail == PERCENT else detail
