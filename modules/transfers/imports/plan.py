"""The plan of an import: what each of its valid rows does. In a dry run and in the validating pass it is what would
happen, and in the writing pass what has happened.

The entries of a batch of rows are stored in one document, or two: the rows that change a name are listed first.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from core.database import collection
from modules.students import FieldDifference, StudentBulkStore
from modules.transfers.imports import new_subjects
from modules.transfers.imports.row_validation import RowOutcome, RowResult
from modules.transfers.models import Import, PlanPage
from modules.transfers.prefetch import in_thread

NAME_CHANGES, OTHERS = RANKS = (0, 1)

# The number of changed fields that are listed for one row; further ones are counted.
MAX_CHANGES = 50

# Encoding BSON holds the GIL. The last two are estimates of the size of an entry and of one of its changes.
_PAGE_BYTES = 300_000
_ENTRY_BYTES = 100
_CHANGE_BYTES = 60

Entry = dict[str, Any]


async def begin(job: Import, position: int) -> None:
    """Delete the entries of the rows after `position`, which an earlier run stored before it crashed, or an earlier
    pass. At the beginning of the file, reset the counts on `job`, too."""
    await collection(PlanPage).delete_many(
        {"import_id": job.id, "rank": {"$in": list(RANKS)}, "first": {"$gt": position}}
    )
    if not position:
        job.name_changes, job.new_subjects = 0, []


async def store(job: Import, results: Sequence[RowResult]) -> None:
    """Store the entries of a batch of rows. The counts of name changes and of new subjects are set on `job` but not
    saved: the caller saves them together with the position in the file."""
    pages = await in_thread(_count_and_divide, job, results)
    for page in pages:
        await collection(PlanPage).insert_one(page)
    # An erasure that searched before this insert has not seen these entries.
    if pages and await StudentBulkStore.erased_since(job.created_at):
        for page in pages:
            await _blank_erased(page)


def _count_and_divide(job: Import, results: Sequence[RowResult]) -> list[dict[str, Any]]:
    """Return the documents of a batch, and count its name changes and its new subjects in `job`."""
    valid = sorted((one for one in results if one.outcome is not RowOutcome.FAILED), key=lambda one: one.row.number)
    new_subjects.count(job, [one.row for one in valid])
    renamed = [one for one in valid if _changes_name(one)]
    others = [one for one in valid if not _changes_name(one)]
    job.name_changes += len(renamed)
    return [*_pages(job, NAME_CHANGES, renamed), *_pages(job, OTHERS, others)]


def _changes_name(result: RowResult) -> bool:
    return bool(result.changes) and any(field == "name" for field, _, _ in result.changes)


def _pages(job: Import, rank: int, results: Sequence[RowResult]) -> Iterator[dict[str, Any]]:
    """Yield documents that are quick to encode."""
    entries: list[Entry] = []
    size = 0
    for result in results:
        entries.append(_entry(result))
        size += _ENTRY_BYTES + _CHANGE_BYTES * min(len(result.changes), MAX_CHANGES)
        if size >= _PAGE_BYTES:
            yield _page(job, rank, entries)
            entries, size = [], 0
    if entries:
        yield _page(job, rank, entries)


def _entry(result: RowResult) -> Entry:
    """Return an entry. Its changes are one array of fields, old values and new values in turn, which is smaller and
    faster than an object for each change."""
    row, outcome = result.row, result.outcome.value
    entry: Entry = {"row": row.number, "line": row.line, "roll_no": row.content["roll_no"], "outcome": outcome}
    if result.changes:
        entry["changes"] = list(chain.from_iterable(result.changes[:MAX_CHANGES]))
    if len(result.changes) > MAX_CHANGES:
        entry["changes_left_out"] = len(result.changes) - MAX_CHANGES
    return entry


def _page(job: Import, rank: int, entries: list[Entry]) -> dict[str, Any]:
    return {
        "import_id": job.id,
        "rank": rank,
        "first": entries[0]["row"],
        "last": entries[-1]["row"],
        "outcomes": sorted({entry["outcome"] for entry in entries}),
        "entries": entries,
        "expires_at": job.expires_at,
    }


def changes_of(entry: Entry) -> list[FieldDifference]:
    """Return the listed changes of a stored entry."""
    values = iter(entry.get("changes", ()))
    return list(zip(values, values, values, strict=True))


async def _blank_erased(page: dict[str, Any]) -> None:
    """Blank the entries whose roll number belongs to nobody, because it may be an erased student's."""
    roll_nos = {entry["roll_no"] for entry in page["entries"]}
    gone = list(roll_nos - (await StudentBulkStore.find(roll_nos)).keys())
    if not gone:
        return
    blank = {"entries.$[gone].roll_no": "", "entries.$[gone].changes": []}
    await collection(PlanPage).update_one(
        {"_id": page["_id"]}, {"$set": blank}, array_filters=[{"gone.roll_no": {"$in": gone}}]
    )
