"""The rows made of a file's cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.api import trimmed
from modules.students import MarkSettings, SubjectCatalog
from modules.transfers.columns.cell_values import ABSENT, CellProblem, ValueOptions, mend_roll_no, read_mark
from modules.transfers.columns.not_students import why_no_student
from modules.transfers.files.formula_escaping import content_of
from modules.transfers.files.table import RawRow, Row, RowError
from modules.transfers.options import Column, ColumnOptions, ColumnRole, Reason

MAX_VALUE = 200

# Most cells; the other ones take ten times as long to read.
_PLAIN_MARK = re.compile(r"\d{1,7}(\.\d{1,2})?", re.ASCII)

_NAMES = {ColumnRole.NAME, ColumnRole.FIRST_NAME, ColumnRole.LAST_NAME}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file, and how their cells are read. With `skip_cells`, a cell that is no mark loses only its
    mark, not its row. `cells_in_header` includes the blank ones at the end of the header."""

    assigned: Sequence[Column]
    options: ColumnOptions
    values: ValueOptions
    skip_cells: bool = False
    cells_in_header: int = 0

    def has_content(self, raw: RawRow) -> bool:
        """Return whether a row has something in a column that is not left out."""
        return any(
            trimmed(cell) and not (index < len(self.assigned) and _is_left_out(self.assigned[index]))
            for index, cell in enumerate(raw.cells)
        )

    def row(self, raw: RawRow, number: int) -> Row:
        """Return the row of these cells, which is the row of this number in the file. Cells that are missing at the end
        are blank, and surplus blank cells are dropped."""
        width = len(self.assigned)
        for index, cell in enumerate(raw.cells[width:], width):
            if content_of(cell):
                return Row(number, raw.line, raw.cells, errors=[self._without_name(index, "ragged", cell)])
        row = Row(number, raw.line, raw.cells[:width], content={"marks": {}})
        highest, maxima = MarkSettings.current().max, SubjectCatalog.current().maxima
        texts: dict[ColumnRole, str] = {}
        for column, cell in zip(self.assigned, [*row.cells, *[""] * (width - len(row.cells))], strict=True):
            if column.role is ColumnRole.SUBJECT:
                self._add_mark(row, str(column.subject), cell, maxima.get(str(column.subject), highest))
            elif column.role is not ColumnRole.IGNORED:
                texts[column.role] = content_of(cell)
            elif column.reason is Reason.UNNAMED and content_of(cell):
                row.errors.append(self._without_name(column.number - 1, "unnamed_column", cell))
        return self._no_student(row, texts) or self._with_fields(row, texts)

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

    def _no_student(self, row: Row, texts: Mapping[ColumnRole, str]) -> Row | None:
        """Return a row with the reason as its only error if it is probably no student."""
        roll_no, name, roles = texts.get(ColumnRole.ROLL_NO, ""), self._name(texts), texts.keys()
        if ColumnRole.ROLL_NO not in roles and not roles & _NAMES:
            return None  # the roll numbers are made, and the names are stored
        has_cells = row.content["marks"] or row.absent or row.errors or row.cell_errors
        is_alone = not (name or texts.get(ColumnRole.BRANCH) or has_cells)
        why = why_no_student(roll_no, name, is_alone=is_alone)
        if why is None:
            return None
        detail = f"{why} If it is no student's, leave it out with ignore_rows={row.line}."
        error = RowError(
            "name" if roles & _NAMES else "roll_no", (roll_no or name)[:MAX_VALUE], "not_a_student", detail
        )
        return Row(row.number, row.line, row.cells, errors=[error])

    def _with_fields(self, row: Row, texts: Mapping[ColumnRole, str]) -> Row:
        roll_no = self._roll_no(row, texts.get(ColumnRole.ROLL_NO, ""))
        branch = self.options.branch or texts.get(ColumnRole.BRANCH, "")
        fields = {"roll_no": roll_no, "name": self._name(texts), "branch": branch}
        row.content |= {field: text for field, text in fields.items() if text}
        return row

    def _name(self, texts: Mapping[ColumnRole, str]) -> str:
        if not self.options.join_names:
            return texts.get(ColumnRole.NAME, "")
        parts = (texts.get(ColumnRole.FIRST_NAME, ""), texts.get(ColumnRole.LAST_NAME, ""))
        return " ".join(filter(None, parts))

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

    def _without_name(self, index: int, code: str, cell: str) -> RowError:
        column = f"column {index + 1} ({_letters(index)})"
        detail = f"The header has no name for {column}, but this row has something in it."
        if index < max(len(self.assigned), self.cells_in_header):
            detail += (
                f" Name the column with columns=#{index + 1}:marks.NAME, or leave it out with ignore=#{index + 1}."
            )
        else:
            detail += " If a cell has a separator in it, put the cell in quotation marks."
        return RowError(column, content_of(cell)[:MAX_VALUE], code, detail)


def _is_left_out(column: Column) -> bool:
    return column.role is ColumnRole.IGNORED and column.reason in (Reason.PARAMETER, Reason.NOT_IMPORTED)


def _letters(index: int) -> str:
    """Return the name that spreadsheets give a column: A to Z, AA, AB, ..."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)
