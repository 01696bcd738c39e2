"""The rows made of a file's cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from modules.students import MarkSettings
from modules.transfers.columns.cell_values import ABSENT, CellProblem, ValueOptions, mend_roll_no, read_mark
from modules.transfers.columns.not_students import is_no_student
from modules.transfers.files.formula_escaping import content_of
from modules.transfers.files.table import RawRow, Row, RowError
from modules.transfers.options import Column, ColumnOptions, ColumnRole, Reason

MAX_VALUE = 200

# Most cells; the other ones take ten times as long to read.
_PLAIN_MARK = re.compile(r"\d{1,7}(\.\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file, and how their cells are read. With `skip_cells`, a cell that is no mark loses only its
    mark, not its row."""

    assigned: Sequence[Column]
    options: ColumnOptions
    values: ValueOptions
    skip_cells: bool = False

    def row(self, raw: RawRow, number: int) -> Row:
        """Return the row of these cells, which is the row of this number in the file. Cells that are missing at the end
        are blank, and surplus blank cells are dropped."""
        width = len(self.assigned)
        for index, cell in enumerate(raw.cells[width:], width):
            if content_of(cell):
                return Row(number, raw.line, raw.cells, errors=[_unnamed(index, "ragged", cell)])
        row = Row(number, raw.line, raw.cells[:width], content={"marks": {}})
        highest = MarkSettings.current().max
        texts: dict[ColumnRole, str] = {}
        for column, cell in zip(self.assigned, [*row.cells, *[""] * (width - len(row.cells))], strict=True):
            if column.role is ColumnRole.SUBJECT:
                self._add_mark(row, str(column.subject), cell, highest)
            elif column.role is not ColumnRole.IGNORED:
                texts[column.role] = content_of(cell)
            elif column.reason is Reason.UNNAMED and content_of(cell):
                row.errors.append(_unnamed(column.number - 1, "unnamed_column", cell))
        self._add_fields(row, texts)
        return row

    def _add_mark(self, row: Row, subject: str, cell: str, highest: float) -> None:
        text = content_of(cell)
        if _PLAIN_MARK.fullmatch(text) and self.values.scale_of(subject) is None and float(text) <= highest:
            row.content["marks"][subject] = float(text) if "." in text else int(text)
            return
        mark = read_mark(text, subject, self.values, highest)
        if isinstance(mark, CellProblem):
            error = RowError(subject, text[:MAX_VALUE], mark.code, mark.detail)
            (row.cell_errors if self.skip_cells else row.errors).append(error)
        elif mark is None:
            row.blanks.append(subject)
        elif mark is ABSENT:
            row.blanks.append(subject)
            row.absent += 1
        else:
            row.content["marks"][subject] = mark

    def _add_fields(self, row: Row, texts: dict[ColumnRole, str]) -> None:
        name = texts.get(ColumnRole.NAME) or self._joined_name(texts)
        branch = self.options.branch or texts.get(ColumnRole.BRANCH, "")
        if is_no_student(texts.get(ColumnRole.ROLL_NO, ""), name):
            detail = f"This looks like a row of maxima or averages. Leave it out with ignore_rows={row.line}."
            row.errors.append(RowError("name", name[:MAX_VALUE], "not_a_student", detail))
        fields = {"roll_no": self._roll_no(row, texts.get(ColumnRole.ROLL_NO, "")), "name": name, "branch": branch}
        row.content |= {field: text for field, text in fields.items() if text}

    def _joined_name(self, texts: dict[ColumnRole, str]) -> str:
        parts = (texts.get(ColumnRole.FIRST_NAME, ""), texts.get(ColumnRole.LAST_NAME, ""))
        return " ".join(filter(None, parts)) if self.options.join_names else ""

    def _roll_no(self, row: Row, text: str) -> str:
        if self.options.roll_no_prefix is not None:
            return f"{self.options.roll_no_prefix}{row.number}"
        if self.options.local_part and text:
            local, at, domain = text.rpartition("@")
            if not (local and at and "." in domain):
                detail = "This is not an e-mail address, so id=local-part makes no roll number of it."
                row.errors.append(RowError("roll_no", text[:MAX_VALUE], "email", detail))
            text = local or text
        return self._mended(row, text) if self.values.mend_roll_no and text else text

    def _mended(self, row: Row, text: str) -> str:
        mended = mend_roll_no(text)
        if isinstance(mended, CellProblem):
            row.errors.append(RowError("roll_no", text[:MAX_VALUE], mended.code, mended.detail))
            return ""
        if mended != text:
            row.notes.append(RowError("roll_no", text[:MAX_VALUE], "roll_no_mended", f"{text[:80]} became {mended}."))
        return mended


def _unnamed(index: int, code: str, cell: str) -> RowError:
    column = f"column {index + 1} ({_letters(index)})"
    detail = f"The header has no name for {column}, but this row has something in it."
    return RowError(column, content_of(cell)[:MAX_VALUE], code, detail)


def _letters(index: int) -> str:
    """Return the name that spreadsheets give a column: A to Z, AA, AB, ..."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)
