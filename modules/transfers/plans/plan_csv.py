"""The plan of an import as a CSV file: one line for each changed field, or for a row without any."""

from collections.abc import AsyncIterator, Iterator, Sequence

from modules.transfers.files.csv_writer import BOM, csv_line
from modules.transfers.files.formula_escaping import escape
from modules.transfers.imports.plan import Entry, changes_of
from modules.transfers.models import Import
from modules.transfers.plans import pages
from modules.transfers.prefetch import in_thread

COLUMNS = ("row", "line", "outcome", "roll_no", "field", "old", "new")


async def as_csv(job: Import) -> AsyncIterator[bytes]:
    """Yield the plan as CSV. Formulas are escaped."""
    yield BOM + csv_line(COLUMNS)
    async for entries in pages.all_entries(job):
        yield await in_thread(_lines, entries)


def _lines(entries: Sequence[Entry]) -> bytes:
    return b"".join(csv_line(cells) for entry in entries for cells in _rows(entry))


def _rows(entry: Entry) -> Iterator[list[str]]:
    row = [str(entry["row"]), str(entry["line"]), entry["outcome"], escape(entry["roll_no"])]
    changes = changes_of(entry)
    if not changes:
        yield [*row, "", "", ""]
    for field, old, new in changes:
        yield [*row, escape(field), _cell(old), _cell(new)]
    if left := entry.get("changes_left_out"):
        yield [*row, f"{left} more fields", "", ""]


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return escape(value) if isinstance(value, str) else str(value)
