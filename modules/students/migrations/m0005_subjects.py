"""Stores the subjects in which students have marks."""

from collections import Counter
from collections.abc import Iterator, Set
from typing import Any

from beanie import Document, free_fall_migration

from core.clock import utc_now
from core.database import collection, insert_ignoring_duplicates
from modules.students.models import SUBJECT_SEPARATOR
from modules.students.subject_catalog.models import UNORDERED
from modules.students.subject_catalog.spelling import exact_key, spelling_key


class _StoredStudent(Document):
    class Settings:
        name = "students"


class _StoredSubject(Document):
    class Settings:
        name = "subjects"


class Forward:
    """Store each subject that a student has a mark in, and that is not stored yet.

    Of several spellings of one subject, the most frequent one gets the key that all share. Each of the others stays a
    subject of its own until somebody merges them, so that no mark is renamed unasked.
    """

    @free_fall_migration(document_models=[_StoredStudent, _StoredSubject])
    async def store(self, session: None) -> None:
        """Insert the subjects that are not there yet: an interrupted migration, or newer code, may have stored some."""
        stored = await collection(_StoredSubject).find({}, {"name": 1, "spellings": 1}).to_list(None)
        names, keys = {row["name"] for row in stored}, {key for row in stored for key in row["spellings"]}
        if rows := list(_subjects(await _counts(), names, keys)):
            await insert_ignoring_duplicates(_StoredSubject, rows)


async def _counts() -> Counter[str]:
    counts = Counter[str]()
    sets = [{"$match": {"keys.subjects": {"$gt": ""}}}, {"$group": {"_id": "$keys.subjects", "students": {"$sum": 1}}}]
    async for found in collection(_StoredStudent).aggregate(sets):
        counts.update(dict.fromkeys(found["_id"].split(SUBJECT_SEPARATOR), found["students"]))
    return counts


def _subjects(counts: Counter[str], names: Set[str], keys: Set[str]) -> Iterator[dict[str, Any]]:
    """Yield the subjects that are to be stored, given the names and the keys that are stored."""
    taken = set(keys)
    for subject, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if subject not in names:
            key = spelling_key(subject)
            yield _stored(subject, exact_key(subject) if key in taken else key)
            taken.add(key)


def _stored(name: str, key: str) -> dict[str, Any]:
    now = utc_now()
    return {
        "name": name,
        "spellings": [key],
        "title": None,
        "max": None,
        "order": UNORDERED,
        "aliases": [],
        "counts_in_total": True,
        "declared": False,
        "log": [],
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
