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
from .cell_text import percentage_of, text_of
from .container import open_archive
from .errors import DAMAGED, TOO_LARGE, UnreadableWorkbook
from .readable_copy import readable_copy
from .sheets import choose, is_blank, names_of

MAX_MEMORY = 1_000_000_000
MAX_CPU_SECONDS = 180
MAX_CSV = 500_000_000

MAX_ROWS = 1_048_576
MAX_COLUMNS = 10_000
MAX_CELLS = 20_000_000
MAX_MERGED = 1_000


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
        copy = readable_copy(archive, format_)
        path = f"{links}/workbook.{format_}"
        workbook = CalamineWorkbook.from_filelike(copy) if copy else CalamineWorkbook.from_path(path)
        sheet = choose(workbook, wanted)
        columns = _columns_of(sheet)
        merged = list(sheet.merged_cell_ranges or [])
        rows = _write(sheet, _percentages(archive, format_, sheet.name, merged), target, columns)
    except PasswordError:
        raise UnreadableWorkbook("This workbook is protected with a password.") from None
    except CalamineError as error:
        raise UnreadableWorkbook(TOO_LARGE if "imit exceeded" in str(error) else DAMAGED) from None
    except (BadZipFile, ExpatError, KeyError, ValueError, EOFError):
        raise UnreadableWorkbook(DAMAGED) from None
    merged = sorted(one for one in merged if one[0][0] < rows)[:MAX_MERGED]
    return {"format": format_, "sheet": sheet.name, "sheets": names_of(workbook), "rows": rows, "merged": merged}


def _columns_of(sheet: CalamineSheet) -> int:
    """Return the number of columns up to the last one that is not blank. Raise `UnreadableWorkbook` if the
    sheet is too large."""
    rows = columns = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        width = next((index for index in range(len(row), 0, -1) if not is_blank(row[index - 1])), 0)
        columns = max(columns, width)
        rows = number if width else rows
    columns += _first_column(sheet)
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        raise UnreadableWorkbook(TOO_LARGE)
    return columns


def _first_column(sheet: CalamineSheet) -> int:
    """Return the number of blank columns on the left, which are not in calamine's rows."""
    return sheet.start[1] if sheet.start else 0


def _percentages(
    archive: ZipFile, format_: str, sheet: str, merged: list[ods_details.Merge]
) -> Iterator[xlsx_details.RowPercentages]:
    if format_ == "ods":
        return ods_details.percentages_of(archive, sheet, merged)
    return xlsx_details.percentages_of(archive, sheet)


def _write(
    sheet: CalamineSheet, percentages: Iterator[xlsx_details.RowPercentages], target: TextIO, columns: int
) -> int:
    """Write the rows up to the last one that is not blank, and return their number. Raise `UnreadableWorkbook` if the
    rows are not in order in the file, which no spreadsheet program writes."""
    left = [""] * _first_column(sheet)
    writer = csv.writer(target, lineterminator="\n")
    following = next(percentages, None)
    written = 0
    for number, row in enumerate(sheet.iter_rows()):
        values = (left + row)[:columns]
        cells = list(map(text_of, values))
        if following and following[0] == number:
            for column in following[1]:
                if column < columns:
                    cells[column] = percentage_of(values[column])
            following = next(percentages, None)
        if following and following[0] <= number:
            raise UnreadableWorkbook(DAMAGED)
        if any(map(str.strip, cells)):
            writer.writerows([[""] * columns] * (number - written))
            writer.writerow(cells)
            written = number + 1
    for _ in percentages:  # merged cells may follow
        pass
    return written
