"""Operations on imports. `import_job` is the job itself, and `job_runner` runs it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from core.api import change_if
from core.clock import utc_now
from core.database import Page, Window, collection
from core.errors import Conflict, NotFound, Problem
from core.routing import KeyReused
from modules.transfers.files import file_store
from modules.transfers.imports import failed_rows
from modules.transfers.models import HEARTBEAT_TIMEOUT, Import, State
from modules.transfers.schemas import EXAMPLE_ERROR, EXAMPLE_ID, ImportProblem, ImportRead

# Reports do not need the header of the file, which may have a megabyte, nor all subjects of the school.
_SHOWN = {"header": 0, "subjects_before": 0}


class ImportNotFound(NotFound):
    """There is no import with this id. `GET /imports` lists the existing imports."""

    title = "Import not found"


class ImportRejected(Problem):
    """The file has invalid rows, so nothing was written. Correct them and send the file again, or import the valid rows
    with `on_error=skip`."""

    status = 422
    title = "Import rejected"
    extension = ImportProblem
    example = {
        "detail": "1 of 1905 rows are invalid; nothing was written.",
        "id": EXAMPLE_ID,
        "state": "rejected",
        "rows": 1905,
        "failed": 1,
        "errors": [EXAMPLE_ERROR],
    }


class NothingToDo(Conflict):
    """The state of the import does not allow this operation. `detail` gives the reason, and
    `GET /imports/{import_id}` returns the current state."""

    title = "Conflicting import state"


async def begin(job: Import) -> tuple[Import, bool]:
    """Insert an import, and return it with True. If an earlier import has its idempotency key, return that one with
    False. An earlier import whose upload was interrupted is replaced."""
    try:
        await job.insert()
    except DuplicateKeyError:
        earlier = await Import.find_one(Import.key == job.key)
        if earlier and not (earlier.state is State.RECEIVING and earlier.effective_state is State.INTERRUPTED):
            return earlier, False
        if earlier:
            await earlier.delete()
            await file_store.delete(earlier)
        return await begin(job)
    return job, True


async def receive(job: Import, stream: AsyncIterator[bytes]) -> None:
    """Store the uploaded file. On any error, delete the import and what was stored of its file."""
    try:
        size, fingerprint = await file_store.store(job, stream)
        await job.update_fields(size=size, fingerprint=fingerprint, state=State.RUNNING, alive_at=utc_now())
    except BaseException:
        await file_store.delete(job)
        await job.delete()
        raise


async def check_is_same(earlier: Import, job: Import, stream: AsyncIterator[bytes]) -> None:
    """Raise `KeyReused` if an import has another file or other options than an earlier one with the same key."""
    same_file = earlier.fingerprint in (None, await file_store.fingerprint(stream))
    if not same_file or earlier.options != job.options:
        raise KeyReused


async def get(import_id: str, *, with_header: bool = False) -> Import:
    """Return the import with this id, without its header unless `with_header`. Raise `ImportNotFound`."""
    stored = None
    if ObjectId.is_valid(import_id):
        fields = None if with_header else _SHOWN
        stored = await collection(Import).find_one({"_id": ObjectId(import_id)}, fields)
    if stored is None:
        raise ImportNotFound(f"There is no import {import_id}.")
    found: Import = Import.model_validate(stored)
    return found


async def claim(import_id: str, *, undone_by: str | None = None) -> Import:
    """Claim an interrupted import in order to resume it, or a finished or interrupted one to undo it for the user
    `undone_by`. Only one process gets the claim. Raise `NothingToDo`."""
    job = await get(import_id)
    if job.expires_at < utc_now():
        raise NothingToDo("This import is too old: its change log has expired.")
    if not undone_by and job.state is State.RUNNING and not await file_store.is_stored(job):
        raise NothingToDo(f"{file_store.DELETED} The rows written so far can be undone.")
    stale = {"alive_at": {"$lt": utc_now() - HEARTBEAT_TIMEOUT}}
    wanted: list[dict[str, Any]] = [{"state": State.UNDOING, **stale}, {"state": State.RUNNING, **stale}]
    changes: dict[str, Any] = {"alive_at": utc_now()}
    if undone_by:
        wanted.append({"state": State.DONE, "options.dry_run": False})
        changes |= {"state": State.UNDOING, "undone_by": undone_by}
    update = {"$set": changes, "$unset": {"finished_at": ""}, "$inc": {"turn": 1}}
    claimed = await change_if(Import, {"_id": job.id, "$or": wanted}, update)
    if claimed is None:
        raise NothingToDo(_conflicting_state(job))
    return claimed


def _conflicting_state(job: Import) -> str:
    if job.state is State.RECEIVING:
        return "The upload is incomplete, and nothing was written. Send the file again."
    return f"The state of this import is {job.effective_state}."


async def release(job: Import) -> None:
    """Mark an import as no longer running, so that another process can claim it.

    This begins a new turn. Otherwise, an update that was sent before its task was cancelled could be executed after
    this one, and the import would look alive.
    """
    released = {"$set": {"alive_at": datetime.fromtimestamp(0, UTC)}, "$inc": {"turn": 1}}
    await collection(Import).update_one({"_id": job.id, "turn": job.turn}, released)


async def report(job: Import) -> ImportRead:
    """Return an import with its first failed rows, as shown to clients."""
    return ImportRead.of(job, await failed_rows.listed(job))


async def list_(window: Window) -> Page[Import]:
    """Return one page of the imports."""
    listed = {**_SHOWN, "columns": 0, "findings": 0}
    found = collection(Import).find(window.filter, listed).sort(window.sort).limit(window.limit + 1)
    return window.page([Import.model_validate(stored) for stored in await found.to_list(None)])
