"""Integrity check of the stored students, for operators after an incident.

Writes may go on during the check: a finding is reported only if it is confirmed when that student is read again alone.
Each collection is read once, in the order of its key, in batches.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from beanie import Document
from bson import ObjectId
from pydantic import ValidationError

from core.api import sentence_of
from core.database import read_majority
from modules.students.figures import MarkFigures
from modules.students.models import (
    Change,
    ChangeFollower,
    Erasure,
    StudentDocument,
    StudentVersion,
    StudentVersionData,
    keys_of,
)
from modules.students.schemas import StudentCreate
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import match

_BATCH = 500

# The fields that every version has, including those with defaults, but not those added by later releases.
_STORED = [name for name in StudentVersionData.model_fields if name not in ("source", "stamp")]

_Stored = Mapping[str, Any]


async def data_check() -> AsyncIterator[str]:
    """Yield a sentence for each defect: students that are invalid, have gaps in their history or are not in the feed of
    changes, versions and feed entries that belong to no student, erasures that wait for a module, and modules that
    cannot follow the changes."""
    await SubjectCatalog.read()
    async for finding in _of_followers():
        yield finding
    async for batch in _batches(read_majority(StudentDocument).find({"erasing": None}).sort("_id", 1)):
        for suspect in await _suspects(batch):
            for finding in await _findings(suspect):
                yield finding
    async for batch in _batches(_owners(StudentVersion)):
        for owner in await _without_student(batch, include_erased=True):
            if await StudentVersion.find({"student": owner}).exists():
                yield f"The history contains versions of a student who does not exist: {owner}."
    async for batch in _batches(_owners(Change)):
        for owner in await _without_student(batch, include_erased=False):
            yield f"The feed of changes has an entry for a student who neither exists nor was erased: {owner}."


async def _of_followers() -> AsyncIterator[str]:
    async for student in read_majority(StudentDocument).find({"erasing.at": {"$exists": True}}):
        for module in student["erasing"]["waits_for"]:
            yield (
                f"The erasure {student['erasing'].get('erasure_id', student['_id'])} waits for the module {module}, "
                "which is switched off, or fails to delete its data of the student. Start the service with it, "
                f"or if it was deleted for good, run: python -m core forget-module {module}"
            )
    for follower in await ChangeFollower.find_all().to_list():
        if follower.is_failing:
            yield (
                f"The module {follower.id} could not follow the changes of students {follower.failures} times in a "
                "row: see the service's log."
            )


async def _batches(cursor: Any) -> AsyncIterator[list[_Stored]]:
    while batch := await cursor.to_list(_BATCH):
        yield batch


def _owners(document: type[Document]) -> Any:
    """Return a cursor over the distinct students of a collection, read in index order."""
    pipeline = [{"$sort": {"student": 1}}, {"$group": {"_id": "$student"}}]
    return read_majority(document).aggregate(pipeline, allowDiskUse=True)


async def _suspects(students: Sequence[_Stored]) -> list[ObjectId]:
    """Return the `_id`s of those students that seem to have a defect."""
    ids = [student["_id"] for student in students]
    figures = MarkFigures(await SubjectCatalog.read())
    past: dict[ObjectId, list[Any]] = {one: [] for one in ids}
    suspects = set[ObjectId]()
    async for copy in read_majority(StudentVersion).find({"student": {"$in": ids}}):
        past[copy["student"]].append(copy.get("version"))
        suspects |= {copy["student"]} if any(_shape(copy)) else set()
    numbered = set(await read_majority(Change).distinct("student", {"student": {"$in": ids}}))
    return [
        student["_id"]
        for student in students
        if student["_id"] in suspects
        or any(_of_record(student, figures))
        or any(_of_history(student, past[student["_id"]]))
        or not (student.get("unsequenced") or student["_id"] in numbered)
    ]


async def _findings(student_id: ObjectId) -> list[str]:
    """Return the defects of one student.

    The record is read before and after the history, and the check is repeated if a concurrent write changed it.
    """
    while student := await read_majority(StudentDocument).find_one({"_id": student_id, "erasing": None}):
        copies = read_majority(StudentVersion).find({"student": student_id})
        past = [copy async for copy in copies]
        entry = await read_majority(Change).find_one({"student": student_id})
        figures = MarkFigures(await SubjectCatalog.read())
        if await read_majority(StudentDocument).find_one({"_id": student_id}) == student:
            found = [*_of_record(student, figures), *_of_history(student, [copy.get("version") for copy in past])]
            found += [f"version {copy.get('version')}: {text}" for copy in past for text in _shape(copy)]
            found += [] if student.get("unsequenced") or entry else ["it has no entry in the feed of changes"]
            return [f"The student {student.get('roll_no')!r} ({student_id}): {text}." for text in found]
    return []


def _of_record(student: _Stored, figures: MarkFigures) -> Iterator[str]:
    wrong = [*_shape(student)]
    yield from wrong
    if not wrong:
        if student["deleted_at"] is None:
            yield from _content(student)
        keys = keys_of(student).compute_figures(student["marks"], figures).add_former(_former(student))
        if keys.model_dump() != {
            "former": [],
            **(student.get("keys") or {}),
        }:  # students of version 0.2 have no `former`
            yield "its index values do not match its content"


def _former(student: _Stored) -> list[str]:
    """Return the identity keys of a student's earlier roll numbers, as stored: they are not derived from the record."""
    match student.get("keys"):
        case {"identities": [_, *former]} | {"former": [*former]} if all(isinstance(key, str) for key in former):
            return former
    return []


def _shape(stored: _Stored) -> Iterator[str]:
    """Yield the defects in the fields of one version, current or in the history."""
    yield from (f"{name}: this field is missing" for name in _STORED if name not in stored)
    try:
        StudentVersionData.model_validate(stored)
    except ValidationError as error:
        yield from (sentence for sentence in _sentences(error) if re.split("[.:]", sentence)[0] in stored)


def _content(student: _Stored) -> Iterator[str]:
    """Yield the values of a student that the API would reject, and subjects that have another name now."""
    try:
        StudentCreate.model_validate({name: student[name] for name in StudentCreate.model_fields})
    except ValidationError as error:
        yield from _sentences(error)
        return
    matched = match(student["marks"], SubjectCatalog.current())
    yield from (f"marks.{error.subject}: {error.detail.rstrip('.')}" for error in matched.errors)
    yield from (f"marks.{subject}: this subject is called {name}" for subject, name in matched.stored_as.items())


def _sentences(error: ValidationError) -> Iterator[str]:
    for one in error.errors():
        yield f"{'.'.join(map(str, one['loc']))}: {sentence_of(one).rstrip('.')}"


def _of_history(student: _Stored, past: Sequence[Any]) -> Iterator[str]:
    """Yield the defects in the version numbers of the history: each number before the current one must occur once.

    A copy of the current version is valid, too: an interrupted write leaves one.
    """
    current = student.get("version")
    if not isinstance(current, int):
        return  # `_shape` reports this
    numbers = sorted(number for number in past if isinstance(number, int))
    missing = sorted(set(range(1, current)) - set(numbers))
    if missing:
        yield f"the history lacks {_ranges(missing)}, but the student is at version {current}"
    if len(set(numbers)) != len(past):
        yield "the history contains a duplicate version or one without a number"
    beyond = [number for number in numbers if not 1 <= number <= current]
    if beyond:
        yield f"the history contains version {beyond[0]}, but the student is at version {current}"


def _ranges(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"version {first}"
    return f"{len(numbers)} versions between {first} and {last}"


async def _without_student(owners: Sequence[_Stored], *, include_erased: bool) -> list[ObjectId]:
    """Return the `_id`s without a student. Those of erased students are included only with `include_erased`."""
    ids = [owner["_id"] for owner in owners]
    known = {one["_id"] async for one in read_majority(StudentDocument).find({"_id": {"$in": ids}}, {"_id": 1})}
    if not include_erased:
        known |= {one["_id"] async for one in read_majority(Erasure).find({"_id": {"$in": ids}}, {"_id": 1})}
    return [one for one in ids if one not in known]
