"""Erasure of all data of a student: the right to erasure (GDPR, article 17)."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from secrets import token_urlsafe
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from core.api import UNCONDITIONAL, change_if, retry_conflicts
from core.database import Page, Window, collection
from core.errors import NotFound, Unavailable
from core.routing import forget_responses
from modules.students.changes import delivery
from modules.students.changes import service as changes
from modules.students.events import ERASED, GONE, ErasedStudent
from modules.students.merging import service as merging
from modules.students.models import (
    Erased,
    Erasing,
    Erasure,
    ErasureFollower,
    FormerNumber,
    Keys,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
    public_key,
)
from modules.students.records import store
from modules.students.records.store import StudentNotFound, Writer
from modules.students.subject_catalog.models import MergedStudent
from modules.students.subjects import unused

# How many of the newest erasures are checked for leftovers.
_MAX_SWEPT = 1000

log = logging.getLogger(__name__)

_UNFINISHED = {"erasing.at": {"$exists": True}}


class ErasureNotFound(NotFound):
    """There is no erasure with this id. `GET /erasures` lists those that are finished."""

    title = "Erasure not found"


async def register() -> None:
    """Store the names of the modules that follow erasures, so that an erasure also waits for one that is switched off
    later."""
    for module in ERASED.followers():
        await collection(ErasureFollower).replace_one({"_id": module}, {"_id": module}, upsert=True)


async def unregister(module: str) -> bool:
    """Let no erasure wait for a module any longer, also none that has begun. Return whether any could have."""
    known = await collection(ErasureFollower).delete_one({"_id": module})
    waiting = {**_UNFINISHED, "erasing.waits_for": module}
    changed = await collection(StudentDocument).update_many(waiting, {"$pull": {"erasing.waits_for": module}})
    return bool(known.deleted_count or changed.modified_count)


async def erase(roll_no: str, writer: Writer, holder: str | None = None) -> Erasing | None:
    """Erase the student, deleted or not, and the whole history; with `holder`, the former holder of the roll number
    with this public key. Return None if the erasure is finished, or what is stored of it if modules have not deleted
    their data of the student yet; it is continued later.

    First, the student is deleted normally and added to the feed of changes, which cannot report the deletion once the
    record is gone. Then one command empties the record and sets `erasing`: from then on nothing else reads or writes
    the record, and an interrupted erasure can be completed later. Then the responses stored for repeated requests are
    deleted, and the modules that follow `ERASED` delete their data of the student. Finally the history and the record,
    which contain the names and roll numbers, are deleted. The records that were merged into this one are erased first.

    Raise the errors of `store.change`.
    """
    for begun in await StudentDocument.find({"roll_no": roll_no, **_UNFINISHED}).to_list():
        if (begun.former and public_key(begun.former)) == holder:
            return await _finish(begun, resumed=True)
    student: StudentSnapshot | None = None
    expects = writer.expects

    async def attempt() -> StudentDocument | None:
        nonlocal student, expects
        edit = partial(_deleted, by=writer.name, same=student)
        student = await store.change(roll_no, edit, expects, also_deleted=True, holder=holder)
        await changes.add_to_feed(student)
        expects = UNCONDITIONAL  # if the student is restored meanwhile: the preconditions were met on the first attempt
        return await _claim(student, writer.name)

    return await _finish(await retry_conflicts(attempt), resumed=False)


def _deleted(student: StudentSnapshot, *, by: str, same: StudentSnapshot | None) -> StudentSnapshot | None:
    if same and student.id != same.id:  # the roll number belongs to another student now
        raise StudentNotFound(f"There is no longer a student {student.roll_no}.")
    return student.deleted(by) if student.deleted_at is None else None


async def _claim(student: StudentSnapshot, by: str) -> StudentDocument | None:
    """Empty the record, set `erasing`, and return the document; None if the version is not the current one."""
    # The filter matches all followers, and lets the query use the index.
    known = {stored.id for stored in await ErasureFollower.find({"_id": {"$gt": ""}}).to_list()}
    erasing = Erasing(who=by, erasure_id=_new_id(), waits_for=sorted(known | ERASED.followers().keys()))
    nothing = {"name": "", "branch": "", "marks": {}, "keys": Keys().model_dump(), "merge": None}
    emptied = {"$set": {**nothing, "erasing": erasing.model_dump()}, "$inc": {"version": 1}}
    return await change_if(StudentDocument, {"_id": student.id, "version": student.version}, emptied)


def _new_id() -> str:
    return token_urlsafe(12)


async def _finish(student: StudentDocument, *, resumed: bool, in_background: bool = False) -> Erasing | None:
    """Complete an erasure, and return None. If a module is not running, or its handler fails, return what is stored of
    the erasure: it stays unfinished. `in_background` is whether no request waits for the end."""
    assert student.erasing, "only a student who is being erased is removed"
    await merging.resume_all(student.id)  # which may need the history, or take a record out of `absorbed`
    who = student.erasing.who
    left = [module for one in student.absorbed for module in await _erase_merged(one, who, in_background)]
    person = await _identifiers(student)
    if not resumed:
        await forget_responses()
    if left := sorted({*left, *await _let_modules_forget(student, person, in_background)}):
        if student.erasing.erasure_id is None:  # a version before 0.3 began the erasure
            student.erasing.erasure_id = _new_id()
            await _update(student, {"$set": {"erasing.erasure_id": student.erasing.erasure_id}})
        return student.erasing.model_copy(update={"waits_for": left})
    if resumed:  # only now, because an erasure can wait for long, and is resumed often
        await forget_responses()
    # The entry of the number itself names who had it before this student, or after one who has given it up.
    own = [] if student.former else [{"_id": student.roll_no}]
    await collection(FormerNumber).delete_many({"$or": [{"student": student.id}, *own]})
    history = StudentVersion.find(StudentVersion.student == student.id)
    await unused.remove_unused({subject for version in await history.to_list() for subject in version.marks})
    await history.delete()
    with suppress(DuplicateKeyError):  # inserted by an earlier attempt that was interrupted
        await Erasure(id=student.id, **student.erasing.model_dump(exclude={"waits_for"})).insert()
    await student.delete()
    await MergedStudent.find(MergedStudent.student == student.id).delete()
    await history.delete()  # versions that a concurrent write copied meanwhile
    return None


async def _erase_merged(student_id: ObjectId, by: str, in_background: bool) -> list[str]:
    """Erase a record that was merged into one that is being erased. Return the modules that this waits for."""
    while (found := await StudentDocument.get(student_id)) and not found.erasing:
        await changes.add_to_feed(found)
        await _claim(found, by)
    unfinished = found and await _finish(found, resumed=True, in_background=in_background)
    return unfinished.waits_for if unfinished else []


async def _let_modules_forget(student: StudentDocument, person: ErasedStudent, in_background: bool) -> list[str]:
    """Let each module that the erasure waits for delete its data of the student, and return those that have not."""
    assert student.erasing, "only the erasure of a student waits for modules"
    modules = student.erasing.waits_for
    followers = ERASED.followers()
    left = [module for module in modules if module not in followers]
    for module in modules:
        if module in followers:
            try:
                await delivery.call_alone(module, followers[module], person, in_background=in_background)
            except Unavailable as error:
                log.warning("An erasure waits for the module %s: %s", module, error.detail)
                left.append(module)
            except Exception:
                log.exception("The module %s has not deleted its data of an erased student; it is called again", module)
                left.append(module)
            else:
                await _update(student, {"$pull": {"erasing.waits_for": module}})
    return sorted(left)


async def _update(student: StudentDocument, update: dict[str, Any]) -> None:
    await collection(StudentDocument).update_one({"_id": student.id, **_UNFINISHED}, update)


async def _identifiers(student: StudentDocument) -> ErasedStudent:
    """Return the student's identifiers from the history, which includes the version before the deletion."""
    assert student.id
    history = collection(StudentVersion)
    of_student = {"student": student.id}
    roll_nos = {student.roll_no, *await history.distinct("roll_no", of_student)}
    names = await history.distinct("name", of_student)
    return ErasedStudent(student.id, frozenset(roll_nos), frozenset(names))


async def finish_erasures() -> None:
    """Continue the erasures that a crash interrupted, or that wait for a module."""
    async for student in StudentDocument.find(_UNFINISHED):
        await _finish(student, resumed=True, in_background=True)


async def sweep() -> None:
    """Delete what was inserted for erased students during their erasures, by processes that died before they deleted
    it: versions that a write has copied into the history, former roll numbers, entries in the log of a merge of
    subjects, and records of modules that follow `GONE`. Call each of these modules, and then raise the errors."""
    erased = [ObjectId(erasure.id) for erasure in await Erasure.find().sort("-at").limit(_MAX_SWEPT).to_list()]
    if erased:
        for document in (StudentVersion, FormerNumber, MergedStudent):
            await collection(document).delete_many({"student": {"$in": erased}})
    await _let_modules_sweep(erased)


async def _let_modules_sweep(erased: Collection[ObjectId]) -> None:
    errors: dict[str, Exception] = {}
    for module, handle in GONE.followers().items():
        try:
            async with asyncio.timeout(delivery.CALL_SECONDS):
                await handle(erased)
        except Exception as error:  # noqa: BLE001 (raised below)
            errors[module] = error
    if errors:
        names = ", ".join(errors)
        raise ExceptionGroup(f"These modules could not delete the data of erased students: {names}", [*errors.values()])


async def get(erasure_id: str) -> Erased:
    """Return an erasure: an `Erasing` if it is not finished. Raise `ErasureNotFound`."""
    student = await StudentDocument.find_one({**_UNFINISHED, "erasing.erasure_id": erasure_id})
    found = student.erasing if student else await Erasure.find_one({"erasure_id": erasure_id})
    if found is None:
        raise ErasureNotFound(f"There is no erasure {erasure_id}.")
    return found


async def list_(window: Window) -> Page[Erasure]:
    """Return one page of the audit of erasures."""
    return window.page(await Erasure.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())
