"""Subjects that are not used: nobody has declared them, and no student has a mark in them, not even a deleted one."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Set
from datetime import timedelta

from core.clock import utc_now
from core.database import collection, insert_ignoring_duplicates
from core.errors import Conflict, FieldError
from modules.students.listing import pages
from modules.students.models import StudentDocument
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.models import Subject, SubjectOperation
from modules.students.subject_catalog.spelling import spelling_key

UNUSED_FOR = timedelta(hours=1)
"""A subject that nobody uses is removed if it has not been changed for this long."""


class SubjectNameTaken(Conflict):
    """Another subject has this name or alias. Choose another one, or merge the two subjects with
    `POST /subjects/{subject}/merge`."""

    title = "Subject name taken"


async def student_counts() -> Counter[str]:
    """Return the number of students with a mark in each subject. An index alone answers this."""
    known, counts = await SubjectCatalog.read(), Counter[str]()
    async for names, students in pages.counted_subject_sets():
        counts.update(dict.fromkeys(map(known.name_of, names), students))
    return counts


async def remove_unused(names: Set[str]) -> None:
    """Remove those of these subjects that nobody has declared, and in which no student has a mark, not even a deleted
    one, who may be restored. A subject that somebody writes a mark in meanwhile is stored again by the next write."""
    left = names - (await student_counts()).keys() - await _busy() if names else names
    found = await Subject.find({"name": {"$in": list(left)}, "declared": False}).to_list() if left else []
    unused = [one.name for one in found if not await _is_in_marks(one)]
    if unused:
        await collection(Subject).delete_many({"name": {"$in": unused}, "declared": False})
        catalog.invalidate()


async def remove_all_unused() -> None:
    """Remove the subjects that are not used any more. They would fill the catalogue of every process."""
    old = {"declared": False, "updated_at": {"$lt": utc_now() - UNUSED_FOR}, "order": {"$gte": 0}}
    found = await collection(Subject).find(old, {"name": 1}).to_list(None)
    await remove_unused({one["name"] for one in found})


async def _busy() -> set[str]:
    """Return the names of the subjects that are being renamed or merged, or are the target of that."""
    found = collection(SubjectOperation).find({"active": {"$gt": ""}}, {"active": 1})
    return {name for one in await found.to_list(None) for name in one["active"]}


async def _is_in_marks(subject: Subject) -> bool:
    """Return whether a student has a mark in a subject, also a deleted one, whose marks may have an earlier name."""
    named = [{f"marks.{name}": {"$gte": 0}} for name in (subject.name, *subject.aliases)]
    return bool(await StudentDocument.find({"$or": named}).exists())


async def free_names(pointers: Mapping[str, str | None], wanted: Subject) -> None:
    """Remove the unused subjects that have one of these names, other than `wanted`. Raise `SubjectNameTaken`, with a
    pointer into the body, if a subject that is used has one."""
    for name, pointer in pointers.items():
        other = await Subject.find_one({"spellings": spelling_key(name)})
        if other is None or other.id == wanted.id:
            continue
        if not await _remove(other):
            detail = f'"{name}" is the subject {other.name}, or an alias of it.'
            raise SubjectNameTaken(detail, errors=[FieldError(code="exists", detail=detail, pointer=pointer)])


async def _remove(subject: Subject) -> bool:
    """Remove a subject whose name or alias another one gets, and return whether it was unused."""
    if subject.declared or subject.name in await _busy() or await _is_in_marks(subject):
        return False
    removed = await collection(Subject).delete_one({"_id": subject.id, "version": subject.version})
    catalog.invalidate()
    # Until now, another process may have written marks in it.
    await asyncio.sleep(catalog.MAX_AGE_SECONDS)
    if removed.deleted_count and await _is_in_marks(subject):
        await insert_ignoring_duplicates(Subject, [subject.row()])
        catalog.invalidate()
        return False
    return True
