"""The choice of a workbook's sheet."""

from collections.abc import Sequence

from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from .cell_text import Value
from .errors import DAMAGED, UnreadableWorkbook

MAX_NAMED = 20


def names_of(workbook: CalamineWorkbook, *, hidden: bool = False) -> list[str]:
    """Return the names of the sheets with cells, without those of charts, and without hidden ones unless `hidden`."""
    return [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and (hidden or sheet.visible == SheetVisibleEnum.Visible)
    ]


def choose(workbook: CalamineWorkbook, wanted: str | None) -> CalamineSheet:
    """Return the sheet with a name or a number, or without these the only one with content. Raise `UnreadableWorkbook`
    if there is no such sheet, or if several have content."""
    sheet = _wanted(workbook, wanted) if wanted else _only(workbook)
    if not has_content(sheet):
        raise UnreadableWorkbook(f'The sheet "{sheet.name}" is empty.')
    return sheet


def _wanted(workbook: CalamineWorkbook, wanted: str) -> CalamineSheet:
    """Find a sheet by its name, in any case because no two names differ in case only, or by its number among the sheets
    that are not hidden."""
    visible, folded = names_of(workbook), wanted.strip().casefold()
    for name in names_of(workbook, hidden=True):
        if name.strip().casefold() == folded:
            return workbook.get_sheet_by_name(name)
    if folded.isdecimal() and 0 < int(folded[:9]) <= len(visible):
        return workbook.get_sheet_by_name(visible[int(folded[:9]) - 1])
    raise UnreadableWorkbook(f'This workbook has no sheet "{wanted[:100]}". It has {_listed(visible)}.')


def _only(workbook: CalamineWorkbook) -> CalamineSheet:
    found: list[str] = []
    only: CalamineSheet | None = None
    for name in names_of(workbook):
        sheet = workbook.get_sheet_by_name(name)
        if has_content(sheet):
            found.append(name)
            only = sheet
    if not names_of(workbook, hidden=True):
        raise UnreadableWorkbook(DAMAGED)
    if only is None:
        raise UnreadableWorkbook("No visible sheet of this workbook has content. Name a hidden one by `sheet`.")
    if len(found) > 1:
        raise UnreadableWorkbook(f"Several sheets have content: name one of them by `sheet`: {_listed(found)}.")
    return only


def has_content(sheet: CalamineSheet) -> bool:
    """Return whether a cell of a sheet is not blank."""
    return any(not is_blank(cell) for row in sheet.iter_rows() for cell in row)


def is_blank(cell: Value) -> bool:
    """Return whether a cell is empty, or a text of nothing but spaces."""
    return isinstance(cell, str) and not cell.strip()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f'"{name[:100]}"' for name in names[:MAX_NAMED]) + more
