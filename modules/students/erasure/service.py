"""Erasure of all data of a student: the right to erasure (GDPR, article 17)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from core.api import UNCONDITIONAL, change_if, retry_conflicts
from core.database import Page, Window, collection
from core.errors import Unavailable
from core.routing import forget_responses
from modules.students.changes import service as changes
from modules.students.models import (
    Erasing,
    Erasure,
    ErasureFollower,
    Keys,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
)
from modules.students.records import store
from modules.students.records.store import StudentNotFound, Writer

# How many of the newest erasures are checked for leftovers at startup.
_MAX_SWEPT = 1000


@dataclass(frozen=True, slots=True)
class ErasedStudent:
    """A student who is being erased: the `_id`, and all current and former roll numbers and names."""

    id: ObjectId
    roll_nos: frozenset[str]
    names: frozenset[str]


Forget = Callable[[ErasedStudent], Awaitable[None]]
"""A function that deletes a module's data of a student. It may be called several times for one student, and raises an
exception if it must be called again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Follower:
    name: str
    forget: Forget
    loop: asyncio.AbstractEventLoop


_followers: list[_Follower] = []


@asynccontextmanager
async def follow_erasures(name: str, forget: Forget) -> AsyncIterator[None]:
    """Register a module that must delete its data of each erased student, as part of the module's lifespan.

    `forget` is called before an erasure is completed. `name` is the module's name. An erasure that began after the
    registration is not completed without the module.
    """
    # The registration is stored, so that an erasure also waits for a module that is disabled now.
    await collection(ErasureFollower).replace_one({"_id": name}, {"_id": name}, upsert=True)
    follower = _Follower(name, forget, asyncio.get_running_loop())
    _followers.append(follower)
    try:
        await _finish_all()
        yield
    finally:
        _followers.remove(follower)


def _followers_of_this_app() -> dict[str, Forget]:
    """Return the followers in the app of this event loop: a process may run several apps."""
    loop = asyncio.get_running_loop()
    return {follower.name: follower.forget for follower in _followers if follower.loop is loop}


async def erase(roll_no: str, writer: Writer) -> None:
    """Erase the student, deleted or not, and the whole history.

    First, the student is deleted normally and added to the feed of changes, which cannot report the deletion once the
    record is gone. Then one command empties the record and sets `erasing`: from then on nothing else reads or writes
    the record, and an interrupted erasure can be completed later. Then the responses stored for repeated requests are
    deleted, and the other modules delete their data of the student. Finally the history and the record, which contain
    the names and roll numbers, are deleted.

    Raise `Unavailable` if a registered module is not running, and the errors of `store.change`.
    """
    begun = await StudentDocument.find_one({"roll_no": roll_no, "erasing.at": {"$exists": True}})
    if begun:
        await _finish_now(begun)
        return
    student: StudentSnapshot | None = None
    expects = writer.expects

    async def attempt() -> StudentDocument | None:
        nonlocal student, expects
        edit = partial(_deleted, by=writer.name, same=student)
        student = await store.change(roll_no, edit, expects, also_deleted=True)
        await changes.add_to_feed(student)
        expects = UNCONDITIONAL  # if the student is restored meanwhile: the preconditions were met on the first attempt
        return await _claim(student, writer.name)

    await _finish_now(await retry_conflicts(attempt))


def _deleted(student: StudentSnapshot, *, by: str, same: StudentSnapshot | None) -> StudentSnapshot | None:
    if same and student.id != same.id:  # the roll number belongs to another student now
        raise StudentNotFound(f"There is no longer a student {student.roll_no}.")
    return student.deleted(by) if student.deleted_at is None else None


async def _claim(student: StudentSnapshot, by: str) -> StudentDocument | None:
    """Empty the record, set `erasing`, and return the document; None if the version is not the current one."""
    # The filter matches all followers, and lets the query use the index.
    known = {stored.id for stored in await ErasureFollower.find({"_id": {"$gt": ""}}).to_list()}
    erasing = Erasing(who=by, waits_for=sorted(known | _followers_of_this_app().keys()))
    nothing = {"name": "", "branch": "", "marks": {}, "keys": Keys().model_dump()}
    emptied = {"$set": {**nothing, "erasing": erasing.model_dump()}, "$inc": {"version": 1}}
    return await change_if(StudentDocument, {"_id": student.id, "version": student.version}, emptied)


async def _finish_now(student: StudentDocument) -> None:
    if not await _finish(student):
        raise Unavailable("A module that must first delete its data of this student is disabled.", retry_after=60)


async def _finish(student: StudentDocument) -> bool:
    """Complete an erasure. Return False and do nothing if a module that must delete its data is not running."""
    assert student.erasing, "only a student who is being erased is removed"
    followers = _followers_of_this_app()
    if not followers.keys() >= set(student.erasing.waits_for):
        return False
    person = await _identifiers(student)
    await forget_responses()
    for forget in followers.values():
        await forget(person)
    history = StudentVersion.find(StudentVersion.student == student.id)
    await history.delete()
    with suppress(DuplicateKeyError):  # inserted by an earlier attempt that was interrupted
        await Erasure(id=student.id, **student.erasing.model_dump(exclude={"waits_for"})).insert()
    await student.delete()
    await history.delete()  # versions that a concurrent write copied meanwhile
    return True


async def _identifiers(student: StudentDocument) -> ErasedStudent:
    """Return the student's identifiers from the history, which includes the version before the deletion."""
    assert student.id
    history = collection(StudentVersion)
    of_student = {"student": student.id}
    roll_nos = {student.roll_no, *await history.distinct("roll_no", of_student)}
    names = await history.distinct("name", of_student)
    return ErasedStudent(student.id, frozenset(roll_nos), frozenset(names))


async def _finish_all() -> None:
    async for student in StudentDocument.find({"erasing.at": {"$exists": True}}):
        await _finish(student)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Complete erasures that a crash interrupted, and delete their leftovers, when the service starts.

    Erasures that wait for a module whose lifespan starts later are completed when that module registers.
    """
    await _finish_all()
    await _sweep()
    yield


async def _sweep() -> None:
    """Delete versions of erased students: a write may have copied one into the history during the erasure, and its
    process may have died before it deleted the copy."""
    erased = [erasure.id for erasure in await Erasure.find().sort("-at").limit(_MAX_SWEPT).to_list()]
    await StudentVersion.find({"student": {"$in": erased}}).delete()


async def list_(window: Window) -> Page[Erasure]:
    """Return one page of the audit of erasures."""
    return window.page(await Erasure.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())
