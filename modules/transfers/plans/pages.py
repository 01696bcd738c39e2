"""Reading of a plan's entries. Entries are stored several in a document (`PlanPage`), so that a page of a list is cut
from a few documents."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from core.database import Page, Position, SortKey, Window, collection
from modules.transfers.imports.plan import RANKS, Entry
from modules.transfers.models import Import, PlanPage
from modules.transfers.plans.schemas import PlannedOutcome

_READ_AT_ONCE = 4
_MAX_ROW = 2**31


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < _MAX_ROW:
        raise ValueError(text)
    return number


# Rows that change a name come first; see `PlanPage`.
ORDER = (SortKey("rank", parse=_number), SortKey("row", parse=_number))


async def list_(job: Import, outcome: PlannedOutcome | None, window: Window) -> Page[Entry]:
    """Return one page of a plan's entries, each with its rank."""
    found: list[Entry] = []
    async for entries in _entries(job, outcome, window.position, backwards=window.backwards):
        found += entries
        if len(found) > window.limit:
            break
    return window.page(found)


async def all_entries(job: Import) -> AsyncIterator[Sequence[Entry]]:
    """Yield all entries of a plan in order, in portions."""
    async for entries in _entries(job, None, None, backwards=False):
        yield entries


async def _entries(
    job: Import, outcome: PlannedOutcome | None, position: Position | None, *, backwards: bool
) -> AsyncIterator[list[Entry]]:
    """Yield the entries after a position, or before it in descending order if `backwards`."""
    direction = -1 if backwards else 1
    for rank in RANKS[::direction]:
        if position and (rank - position[0]) * direction < 0:
            continue
        row = position[1] if position and position[0] == rank else None
        stored = collection(PlanPage).find(_query(job, rank, outcome, row, backwards=backwards), {"entries": 1})
        cursor = stored.sort("first", direction).batch_size(_READ_AT_ONCE)
        async for page in cursor:
            yield [
                entry | {"rank": rank}
                for entry in page["entries"][::direction]
                if outcome in (None, entry["outcome"]) and (row is None or (entry["row"] - row) * direction > 0)
            ]


def _query(
    job: Import, rank: int, outcome: PlannedOutcome | None, row: int | None, *, backwards: bool
) -> dict[str, Any]:
    """Return the query of the documents of one rank with an entry after a row, or before it if `backwards`."""
    query: dict[str, Any] = {"import_id": job.id, "rank": rank}
    if row is not None:
        query |= {"first": {"$lt": row}} if backwards else {"last": {"$gt": row}}
    return query | ({"outcomes": outcome} if outcome else {})
