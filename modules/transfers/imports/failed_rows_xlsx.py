"""The failed rows of an import as a table for an XLSX file with the wrong cells marked, which can be corrected and
imported again."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from itertools import zip_longest

from modules.transfers.columns.column_names import REASON, field_of
from modules.transfers.downloads.table import BRANCH, NAME, ROLL_NO, Cell, Column, Table, WrongCell
from modules.transfers.files.formula_escaping import content_of
from modules.transfers.imports import failed_rows
from modules.transfers.models import Import

_KNOWN = {column.name: column for column in (ROLL_NO, NAME, BRANCH)}
_REASON = Column(REASON, 60)
_ROW = "row"
_NUMBER = re.compile(r"(0|[1-9]\d{0,8})(\.\d{1,6})?", re.ASCII)


def as_table(job: Import) -> Table[failed_rows.Stored]:
    """Return the stored failed rows of an import as a table with the columns of `errors.csv`. If some failed rows are
    not stored, a last row has their number."""
    names = [_ROW] if job.format == "ndjson" else [content_of(name) for name in job.header]
    columns = [_KNOWN.get(name, Column(name)) for name in names if name != REASON]
    added = [] if job.options.columns.roll_no_prefix is None else [ROLL_NO]
    return Table("errors", [*columns, *added, _REASON], _records(job), partial(_cells, job=job, names=names))


async def _records(job: Import) -> AsyncIterator[Sequence[failed_rows.Stored]]:
    async for rows in failed_rows.stored(job):
        yield rows
    if left_out := failed_rows.left_out(job):
        yield [{"row": "", "cells": [], "errors": [{"field": "", "detail": left_out}]}]


def _cells(row: failed_rows.Stored, job: Import, names: Sequence[str]) -> list[Cell]:
    """Return the cells of a row as the import has read them, and the reason before those beyond the header."""
    decimal = "." if job.separator == "," else ","
    wrong = _wrong(row["errors"], job, names)
    (added,) = failed_rows.generated_roll_nos(job, [row])
    read = [content_of(cell) for cell in row["cells"]]
    cells: list[Cell] = [
        WrongCell(text, wrong[index]) if index in wrong else _value(text, name, decimal)
        for index, (name, text) in enumerate(zip_longest(names, read[: len(names)], fillvalue=""))
        if name != REASON
    ]
    return [*cells, *added, failed_rows.reason_of(row), *read[len(names) :]]


def _wrong(errors: Sequence[Mapping[str, str]], job: Import, names: Sequence[str]) -> dict[int, str]:
    """Return the reasons of errors by the index of the wrong column."""
    # An error names a field or a subject, whose column may have another name.
    columns = {name: index for index, name in enumerate(names) if name}
    columns |= {column.subject or column.role.value: column.number - 1 for column in job.columns}
    wrong: dict[int, str] = {}
    for error in errors:
        if (index := columns.get(error["field"])) is not None:
            wrong[index] = " ".join(filter(None, [wrong.get(index), error["detail"]]))
    return wrong


def _value(text: str, name: str, decimal: str) -> Cell:
    """Return the number in a cell of marks, unless it would be written otherwise, such as `007`; or else the text."""
    number = text.replace(decimal, ".")
    if not name or field_of(name) or not _NUMBER.fullmatch(number):
        return text or None
    return float(number) if "." in number else int(number)
