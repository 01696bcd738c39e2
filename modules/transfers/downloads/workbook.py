"""Writing of XLSX files row by row with XlsxWriter: only the current row is in memory, the others are on disk.

Text is stored as text, whatever it begins with: no cell is a formula or a link, and the file has no macros.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from xlsxwriter import Workbook

from core.errors import Unavailable
from modules.transfers.downloads.table import Cell, Column, WrongCell
from modules.transfers.files.formula_escaping import content_of, escape

# The limits of XLSX files. The first row is the header.
MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_CHARACTERS = 32_767

# Comments are kept in memory. Further wrong cells are only coloured.
MAX_COMMENTS = 20_000

# With less free space, a database on the same disk would be in danger.
MIN_FREE_BYTES = 100_000_000
RETRY_SECONDS = 60

_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_WHOLE_SHEET = f"A1:XFD{MAX_ROWS}"
# What is typed into a cell of this built-in format, `@`, stays text.
_TEXT_FORMAT = 49
_MIN_WIDTH, _MAX_WIDTH = 9, 40
_TOO_LONG = f"Left out: a cell of an XLSX file holds {MAX_CHARACTERS:,} characters, and this text is longer."


class Sheet:
    """A workbook with one sheet, whose header row is bold and stays in view.

    While it is written, its parts are in a temporary folder and the finished file in an unnamed one; `discard` deletes
    both. The methods write to the disk and are to be called in threads.
    """

    def __init__(self, title: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="workbook-")
        self.file = tempfile.TemporaryFile(dir=self._folder.name)  # noqa: SIM115 (`discard` closes it)
        self._workbook = Workbook(self.file, _OPTIONS | {"tmpdir": self._folder.name})
        self._workbook.use_zip64()
        self._sheet = self._workbook.add_worksheet(title)
        self._wrong = self._workbook.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})
        self._row = self._comments = 0

    def write_header(self, columns: Sequence[Column]) -> None:
        """Write the first row, and set up the columns."""
        bold, text = self._workbook.add_format({"bold": True}), self._workbook.add_format({"num_format": _TEXT_FORMAT})
        for index, column in enumerate(columns):
            width = column.width or min(max(len(column.name) + 2, _MIN_WIDTH), _MAX_WIDTH)
            self._sheet.set_column(index, index, width, text if column.is_text else None)
            self._sheet.write_string(0, index, _as_read(column.name), bold)
        self._sheet.freeze_panes(1, 0)
        self._sheet.ignore_errors({"number_stored_as_text": _WHOLE_SHEET})

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows. Raise `Unavailable` if the disk is almost full."""
        check_disk()
        for row in rows:
            self._row += 1
            for column, cell in enumerate(row):
                self._write(column, cell)

    def _write(self, column: int, cell: Cell) -> None:
        match cell:
            case int() | float():
                self._sheet.write_number(self._row, column, cell)
            case str():
                if self._sheet.write_string(self._row, column, _as_read(cell)):
                    self._mark(column, WrongCell("", _TOO_LONG))
            case WrongCell():
                self._mark(column, cell)

    def _mark(self, column: int, cell: WrongCell) -> None:
        """Write a cell in another colour, with a comment."""
        is_too_long = self._sheet.write_string(self._row, column, _as_read(cell.text), self._wrong)
        if is_too_long or not cell.text:
            self._sheet.write_blank(self._row, column, None, self._wrong)
        if self._comments < MAX_COMMENTS:
            self._comments += 1
            reason = f"{cell.reason} {_TOO_LONG}" if is_too_long else cell.reason
            self._sheet.write_comment(self._row, column, reason, {"x_scale": 2})

    def finish(self) -> None:
        """Complete `file`, and go to its start. Raise `Unavailable` if the disk has too little space for it."""
        # The rows are copied once, and then compressed.
        check_disk(2 * sum(part.stat().st_size for part in Path(self._folder.name).iterdir()))
        self._workbook.close()
        self.file.seek(0)

    def discard(self) -> None:
        """Delete everything that was written."""
        with self._folder, self.file:
            if rows := self._sheet.row_data_fh:
                rows.close()


def check_disk(needed: int = 0) -> None:
    """Raise `Unavailable` if the disk of temporary files has less free space than is needed."""
    if shutil.disk_usage(tempfile.gettempdir()).free < MIN_FREE_BYTES + needed:
        detail = "This server has too little disk space to make an XLSX file. Try again later, or export CSV."
        raise Unavailable(detail, retry_after=RETRY_SECONDS)


def _as_read(text: str) -> str:
    """Return the text of a cell from which an import reads this text. A formula needs no escape, as the cell is text;
    but an apostrophe that an import would take for an escape does."""
    return text if content_of(text) == text else escape(text)
