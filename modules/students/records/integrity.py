"""Whether what is stored of students is whole, for whoever has had a bad night.

Others may write meanwhile: what looks wrong is told only if it still does when that student is looked at alone.
Everything is read once, in the order of its key, some hundreds at a time.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from beanie import Document
from bson import ObjectId
from pydantic import ValidationError

from core.api import sentence_of
from core.database import read_majority
from modules.students.models import Change, Erasure, StudentDocument, StudentVersion, StudentVersionData, keys_of
from modules.students.schemas import StudentCreate

_BATCH = 500

# What every version has, also what a new one gets by default; not what came with later releases.
_STORED = [name for name in StudentVersionData.model_fields if name not in ("source", "stamp")]

_Stored = Mapping[str, Any]


async def data_check() -> AsyncIterator[str]:
    """A sentence for each student who is not valid, has gaps in the history or no place in the feed of changes, and for
    each version and each place that belongs to no student."""
    async for batch in _batches(read_majority(StudentDocument).find({"erasing": None}).sort("_id", 1)):
        for suspect in await _suspects(batch):
            for finding in await _findings(suspect):
                yield finding
    async for batch in _batches(_owners(StudentVersion)):
        for owner in await _without_student(batch, forgotten_too=True):
            if await StudentVersion.find({"student": owner}).exists():
                yield f"The history has versions of a student who does not exist: {owner}."
    async for batch in _batches(_owners(Change)):
        for owner in await _without_student(batch, forgotten_too=False):
            yield f"The feed of changes has a place for a student who neither exists nor was erased: {owner}."


async def _batches(cursor: Any) -> AsyncIterator[list[_Stored]]:
    while batch := await cursor.to_list(_BATCH):
        yield batch


def _owners(document: type[Document]) -> Any:
    """The students that a collection has something of, each once, as an index has them in order."""
    pipeline = [{"$sort": {"student": 1}}, {"$group": {"_id": "$student"}}]
    return read_majority(document).aggregate(pipeline, allowDiskUse=True)


async def _suspects(students: Sequence[_Stored]) -> list[ObjectId]:
    """Those of these students with whom something seems to be wrong."""
    ids = [student["_id"] for student in students]
    past: dict[ObjectId, list[Any]] = {one: [] for one in ids}
    suspects = set[ObjectId]()
    async for copy in read_majority(StudentVersion).find({"student": {"$in": ids}}):
        past[copy["student"]].append(copy.get("version"))
        suspects |= {copy["student"]} if any(_shape(copy)) else set()
    placed = set(await read_majority(Change).distinct("student", {"student": {"$in": ids}}))
    return [
        student["_id"]
        for student in students
        if student["_id"] in suspects
        or any(_of_record(student))
        or any(_of_history(student, past[student["_id"]]))
        or not (student.get("unsequenced") or student["_id"] in placed)
    ]


async def _findings(student_id: ObjectId) -> list[str]:
    """What is wrong with one student, who is read before and after the rest: what a write in between changed does not
    count."""
    while student := await read_majority(StudentDocument).find_one({"_id": student_id, "erasing": None}):
        copies = read_majority(StudentVersion).find({"student": student_id})
        past = [copy async for copy in copies]
        place = await read_majority(Change).find_one({"student": student_id})
        if await read_majority(StudentDocument).find_one({"_id": student_id}) == student:
            found = [*_of_record(student), *_of_history(student, [copy.get("version") for copy in past])]
            found += [f"version {copy.get('version')}: {text}" for copy in past for text in _shape(copy)]
            found += [] if student.get("unsequenced") or place else ["it has no place in the feed of changes"]
            return [f"The student {student.get('roll_no')!r} ({student_id}): {text}." for text in found]
    return []


def _of_record(student: _Stored) -> Iterator[str]:
    wrong = [*_shape(student)]
    yield from wrong
    if not wrong:
        if student["deleted_at"] is None:
            yield from _content(student)
        if keys_of(student).model_dump() != student.get("keys"):
            yield "what the indexes know of it is not what it is"


def _shape(stored: _Stored) -> Iterator[str]:
    """What is wrong with a version as such, be it the current one or one in the history."""
    yield from (f"{name}: it is missing" for name in _STORED if name not in stored)
    try:
        StudentVersionData.model_validate(stored)
    except ValidationError as error:
        yield from (sentence for sentence in _sentences(error) if re.split("[.:]", sentence)[0] in stored)


def _content(student: _Stored) -> Iterator[str]:
    """What a client could not have sent."""
    try:
        StudentCreate.model_validate({name: student[name] for name in StudentCreate.model_fields})
    except ValidationError as error:
        yield from _sentences(error)


def _sentences(error: ValidationError) -> Iterator[str]:
    for one in error.errors():
        yield f"{'.'.join(map(str, one['loc']))}: {sentence_of(one).rstrip('.')}"


def _of_history(student: _Stored, past: Sequence[Any]) -> Iterator[str]:
    """What is wrong with the numbers of the versions: all before the current one are there once. A copy of the current
    one may be there already, left by a write that did not come to its end."""
    current = student.get("version")
    if not isinstance(current, int):
        return  # which its shape says
    numbers = sorted(number for number in past if isinstance(number, int))
    missing = sorted(set(range(1, current)) - set(numbers))
    if missing:
        yield f"the history lacks {_ranges(missing)} of {current} versions"
    if len(set(numbers)) != len(past):
        yield "the history has a version twice, or one without a number"
    beyond = [number for number in numbers if not 1 <= number <= current]
    if beyond:
        yield f"the history has version {beyond[0]}, which the student, at {current}, has never had"


def _ranges(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"version {first}"
    return f"{len(numbers)} between version {first} and {last}"


async def _without_student(owners: Sequence[_Stored], *, forgotten_too: bool) -> list[ObjectId]:
    """Those who are no student; other than those who were erased, unless what should be forgotten counts too."""
    ids = [owner["_id"] for owner in owners]
    known = {one["_id"] async for one in read_majority(StudentDocument).find({"_id": {"$in": ids}}, {"_id": 1})}
    if not forgotten_too:
        known |= {one["_id"] async for one in read_majority(Erasure).find({"_id": {"$in": ids}}, {"_id": 1})}
    return [one for one in ids if one not in known]
