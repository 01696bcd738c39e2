"""What can be done with imports. The work itself goes on in `work`, and is looked after by `running`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from core.clock import utc_now
from core.database.keyset import Page, Window
from core.errors import Conflict, NotFound, Problem
from modules.transfers.files import file_store
from modules.transfers.imports import failed_rows
from modules.transfers.models import PATIENCE, Import, State
from modules.transfers.schemas import ImportRead

# The columns of a file are of no use to who asks how its import stands, and may be a megabyte.
_SHOWN = {"header": 0}


class ImportNotFound(NotFound):
    """There is no import with this id. `GET /imports` lists those that are kept."""

    title = "No such import"


class ImportRejected(Problem):
    """Rows of the file are wrong, so nothing was written. Mend them, or import the others with `on_error=skip`."""

    status = 422
    title = "Import rejected"


class KeyReused(Problem):
    """This `Idempotency-Key` came with another file, or with other parameters. Use a new key for each import."""

    status = 422
    title = "Idempotency key reused"


class NothingToDo(Conflict):
    """The import is not in a state in which this can be done. `GET /imports/{import_id}` tells its state, and `detail`
    what that rules out."""

    title = "Not possible now"


async def begin(work: Import) -> tuple[Import, bool]:
    """Store a new import; whether it is new, for its idempotency key may be that of an earlier one. An earlier one
    whose file never arrived counts for nothing."""
    try:
        await work.insert()
    except DuplicateKeyError:
        earlier = await Import.find_one(Import.key == work.key)
        if earlier and not (earlier.state is State.RECEIVING and earlier.effective_state is State.INTERRUPTED):
            return earlier, False
        if earlier:
            await earlier.delete()
            await file_store.forget(earlier)
        return await begin(work)
    return work, True


async def receive(work: Import, stream: AsyncIterator[bytes]) -> None:
    """Take in the file. Whatever goes wrong, nothing of it stays."""
    try:
        size, fingerprint = await file_store.store(work, stream)
        await work.note(size=size, fingerprint=fingerprint, state=State.RUNNING, alive_at=utc_now())
    except BaseException:
        await file_store.forget(work)
        await work.delete()
        raise


async def check_is_same(earlier: Import, work: Import, stream: AsyncIterator[bytes]) -> None:
    """Raise `KeyReused` if an import differs from an earlier one with the same key."""
    same_file = earlier.fingerprint in (None, await file_store.fingerprint(stream))
    if not same_file or earlier.options != work.options:
        raise KeyReused


async def get(import_id: str, *, with_header: bool = False) -> Import:
    """The import with this id, its columns only if asked for; raises `ImportNotFound`."""
    stored = None
    if ObjectId.is_valid(import_id):
        fields = None if with_header else _SHOWN
        stored = await Import.get_motor_collection().find_one({"_id": ObjectId(import_id)}, fields)
    if stored is None:
        raise ImportNotFound(f"There is no import {import_id}.")
    found: Import = Import.model_validate(stored)
    return found


async def claim(import_id: str, *, undone_by: str | None = None) -> Import:
    """Claim an interrupted import, or one that is to be undone by this user, for whoever asks; only one can. Raises
    `NothingToDo`."""
    work = await get(import_id)
    if work.expires_at < utc_now():
        raise NothingToDo("This import is too old: what it has changed is not known any more.")
    if not undone_by and work.state is State.RUNNING and not await file_store.is_stored(work):
        raise NothingToDo(f"{file_store.REMOVED} What this import has written can be undone.")
    stale = {"alive_at": {"$lt": utc_now() - PATIENCE}}
    wanted: list[dict[str, Any]] = [{"state": State.UNDOING, **stale}, {"state": State.RUNNING, **stale}]
    changes: dict[str, Any] = {"alive_at": utc_now()}
    if undone_by:
        wanted.append({"state": State.DONE, "options.dry_run": False})
        changes |= {"state": State.UNDOING, "undone_by": undone_by}
    claimed = await Import.get_motor_collection().find_one_and_update(
        {"_id": work.id, "$or": wanted},
        {"$set": changes, "$unset": {"finished_at": ""}, "$inc": {"turn": 1}},
        return_document=ReturnDocument.AFTER,
    )
    if claimed is None:
        raise NothingToDo(_why_not(work))
    taken: Import = Import.model_validate(claimed)
    return taken


def _why_not(work: Import) -> str:
    if work.state is State.RECEIVING:
        return "The file did not arrive wholly. Send it again; nothing has been written."
    return f"This import is {work.effective_state}."


async def release(work: Import) -> None:
    """Say that nobody works on an import any more, so that it can be taken up."""
    await work.note(alive_at=datetime.fromtimestamp(0, UTC))


async def report(work: Import) -> ImportRead:
    """An import as clients read it."""
    return ImportRead.of(work, await failed_rows.listed(work))


async def list_(window: Window) -> Page[Import]:
    """One page of the imports."""
    found = Import.get_motor_collection().find(window.filter, _SHOWN).sort(window.sort).limit(window.limit + 1)
    return window.page([Import.model_validate(stored) for stored in await found.to_list(None)])
