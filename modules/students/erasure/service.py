"""Erasing a person: the right of everyone to be forgotten (GDPR, article 17)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from core.database import Page, Window
from core.errors import Unavailable
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

# How many of the newest erasures are looked at again.
_SWEPT = 1000


@dataclass(frozen=True, slots=True)
class ErasedStudent:
    """Who is being erased: the `_id`, and all roll numbers and names that the student has ever had."""

    id: ObjectId
    roll_nos: frozenset[str]
    names: frozenset[str]


Forget = Callable[[ErasedStudent], Awaitable[None]]
"""Removes what a module has stored of a student. It may be called several times for one student, and raises if it must
be called again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Follower:
    name: str
    forget: Forget
    loop: asyncio.AbstractEventLoop


_followers: list[_Follower] = []


@asynccontextmanager
async def follow_erasures(name: str, forget: Forget) -> AsyncIterator[None]:
    """Let a module forget each student who is erased while this lasts, before the erasure is final: part of the
    module's lifespan. `name` is the module's; an erasure that has begun is not finished without it."""
    # An erasure waits for it also while it is switched off.
    await ErasureFollower.get_motor_collection().replace_one({"_id": name}, {"_id": name}, upsert=True)
    follower = _Follower(name, forget, asyncio.get_running_loop())
    _followers.append(follower)
    try:
        await _finish_all()
        yield
    finally:
        _followers.remove(follower)


def _followers_here() -> dict[str, Forget]:
    """The followers in the app of this event loop: a process may have several apps."""
    loop = asyncio.get_running_loop()
    return {follower.name: follower.forget for follower in _followers if follower.loop is loop}


async def erase(roll_no: str, writer: Writer) -> None:
    """Remove the student, deleted or not, with all its history; raises what `versions.change` raises.

    First the student is deleted as any other, and the feed of changes told, which has no way to tell it later. Then one
    command empties the record and marks it as being erased: from there on nobody else sees it or writes it, and whoever
    finds the work half done can finish it. Then other modules forget the student, and at last the history and the
    record, which tell the names and roll numbers, are removed. Raises `Unavailable` if a module must forget the student
    that is not running.
    """
    begun = await StudentDocument.find_one({"roll_no": roll_no, "erasing.at": {"$exists": True}})
    if begun:
        await _finish_now(begun)
        return
    student: StudentSnapshot | None = None
    for _ in range(store.MAX_TRIES):
        edit = partial(_deleted, by=writer.name, same=student)
        student = await store.change(roll_no, edit, writer.expects, also_deleted=True)
        await changes.tell(student)
        claimed = await _claim(student, writer.name)
        if claimed:
            await _finish_now(claimed)
            return
        writer = Writer(writer.name)  # restored in between: what was expected held when the work began
    raise Unavailable("This student is being changed by too many at once.")


def _deleted(student: StudentSnapshot, *, by: str, same: StudentSnapshot | None) -> StudentSnapshot | None:
    if same and student.id != same.id:  # somebody else has the roll number by now
        raise StudentNotFound(f"There is no student {student.roll_no} any more.")
    return student.deleted(by) if student.deleted_at is None else None


async def _claim(student: StudentSnapshot, by: str) -> StudentDocument | None:
    """The emptied record, marked as being erased; None if it is not as it was read."""
    known = {stored.id for stored in await ErasureFollower.find({"_id": {"$gt": ""}}).to_list()}  # by the index
    erasing = Erasing(who=by, waits_for=sorted(known | _followers_here().keys()))
    nothing = {"name": "", "branch": "", "marks": {}, "keys": Keys().model_dump()}
    erased = await StudentDocument.get_motor_collection().find_one_and_update(
        {"_id": student.id, "version": student.version},
        {"$set": {**nothing, "erasing": erasing.model_dump()}, "$inc": {"version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return None if erased is None else StudentDocument.model_validate(erased)


async def _finish_now(student: StudentDocument) -> None:
    if not await _finish(student):
        raise Unavailable("A module that must forget this student first is switched off.", retry_after=60)


async def _finish(student: StudentDocument) -> bool:
    """Finish what was begun. Return False, with nothing done, if somebody must forget the student who is not here."""
    assert student.erasing, "only a student who is being erased is removed"
    followers = _followers_here()
    if not followers.keys() >= set(student.erasing.waits_for):
        return False
    person = await _person(student)
    for forget in followers.values():
        await forget(person)
    history = StudentVersion.find(StudentVersion.student == student.id)
    await history.delete()
    with suppress(DuplicateKeyError):  # written by someone whose work was cut short
        await Erasure(id=student.id, **student.erasing.model_dump(exclude={"waits_for"})).insert()
    await student.delete()
    await history.delete()  # what a writer who came too late has copied
    return True


async def _person(student: StudentDocument) -> ErasedStudent:
    """Who is being erased, as the history tells: it has the version before the deletion, with the last name."""
    assert student.id
    history = StudentVersion.get_motor_collection()
    of_student = {"student": student.id}
    roll_nos = {student.roll_no, *await history.distinct("roll_no", of_student)}
    names = await history.distinct("name", of_student)
    return ErasedStudent(student.id, frozenset(roll_nos), frozenset(names))


async def _finish_all() -> None:
    async for student in StudentDocument.find({"erasing.at": {"$exists": True}}):
        await _finish(student)


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The time in which the service runs, which begins by finishing what a crash may have left. Erasures that wait for
    a module that starts later are finished by that."""
    await _finish_all()
    await _sweep()
    yield


async def _sweep() -> None:
    """Remove what may have been left of students who were erased: versions that somebody copied into the history too
    late, and died before taking them out again."""
    erased = [erasure.id for erasure in await Erasure.find().sort("-at").limit(_SWEPT).to_list()]
    await StudentVersion.find({"student": {"$in": erased}}).delete()


async def list_(window: Window) -> Page[Erasure]:
    """One page of the audit of erasures."""
    return window.page(await Erasure.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())
