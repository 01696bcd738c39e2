"""Tables to download: their columns, and the records from which the writers of CSV and XLSX make the rows."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# The number of cells that one thread call formats.
MAX_CELLS = 50_000


@dataclass(frozen=True, slots=True)
class WrongCell:
    """A cell to be corrected, and the reason, which XLSX files show as a comment."""

    text: str
    reason: str


Cell = str | int | float | WrongCell | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, the width in characters in a spreadsheet (0: by the name), and whether a spreadsheet takes
    what is typed into it for text, so that identifiers keep leading zeros."""

    name: str
    width: int = 0
    is_text: bool = False


ROLL_NO = Column("roll_no", 16, is_text=True)
NAME = Column("name", 28, is_text=True)
BRANCH = Column("branch", 22, is_text=True)


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A table: its title, its columns, its records in portions, and the function that returns the cells of a record,
    which the writers call in threads."""

    title: str
    columns: Sequence[Column]
    records: AsyncIterator[Sequence[T]]
    cells: Callable[[T], Sequence[Cell]]


async def portions(table: Table[T]) -> AsyncIterator[Sequence[T]]:
    """Yield the records of a table in portions of up to `MAX_CELLS` cells."""
    at_once = max(1, MAX_CELLS // max(1, len(table.columns)))
    async for records in table.records:
        for first in range(0, len(records), at_once):
            yield records[first : first + at_once]


async def one_portion(records: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """Yield records that are all known."""
    yield records
