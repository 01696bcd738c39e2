"""Removal of an erased student's data from stored imports.

A stored file may contain the student's name in any spelling, and a search would take time proportional to its size.
Therefore the files of all imports are deleted, and their file names too. A running import continues with its copy on
disk; an interrupted one can be undone, but no longer resumed. Failed rows that name the student lose their cells and
errors, and plans lose the entries that name the student.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from bson import ObjectId, Regex

from core.database import collection, operation_timeout
from modules.students import ErasedStudent
from modules.transfers.files import file_store
from modules.transfers.models import ChangeLogEntry, FailedRow, Import, PlanPage

# Shorter roll numbers, such as `7`, are searched only in fields that hold a roll number: elsewhere they are ambiguous.
_MIN_DISTINCTIVE = 4
_TEXTS_AT_ONCE = 50

# No index helps to find a name in a text, so all imports are read. The filter on `_id` makes MongoDB use an index, so
# that monitoring for queries without an index still finds the unintended ones.
_ALL = {"_id": {"$gte": ObjectId(bytes(12))}}

# What is left of the columns of a file if one of them names the student.
_WITHOUT_COLUMNS: dict[str, Any] = {
    "header": [],
    "columns": [],
    "findings": [],
    "options.columns.columns": [],
    "options.columns.ignore": [],
    "options.cells.scales": [],
}

# Before version 0.2, an idempotency key was stored in plain text after the user's name and a colon. It is now hashed.
_KEY_AS_SENT = Regex(":")

_REMOVED = "Removed, because it named a student who has since been erased."
_BLANK = {"cells": [], "about": [], "errors": [{"field": "", "value": "", "code": "erased", "detail": _REMOVED}]}


async def forget(student: ErasedStudent) -> None:
    """Remove the stored data of a student. It is idempotent, and can be called again after an error."""
    with operation_timeout():
        await file_store.delete_all()
        imports = collection(Import)
        roll_nos = list(student.roll_nos)
        await imports.update_many({**_ALL, "kept": {"$in": roll_nos}}, {"$pull": {"kept": {"$in": roll_nos}}})
        await imports.update_many({**_ALL, "filename": {"$exists": True}}, {"$unset": {"filename": ""}})
        await imports.update_many({**_ALL, "key": _KEY_AS_SENT}, {"$unset": {"key": ""}})
        # An undo still counts the entry.
        nobody = {"student": ObjectId(), "erased": True}
        await collection(ChangeLogEntry).update_many({"student": student.id}, {"$set": nobody})
    patterns = list(_patterns(student))
    for import_id in await collection(FailedRow).distinct("import_id"):
        with operation_timeout():  # one timeout per import, because the number of its stored rows is limited
            await _blank_rows(import_id, student, patterns)
    for import_id in await collection(PlanPage).distinct("import_id"):
        with operation_timeout():
            await _remove_entries(import_id, student, patterns)
    with operation_timeout():
        for pattern in patterns:
            await _blank_imports(pattern)


async def _blank_rows(import_id: Any, student: ErasedStudent, patterns: Iterable[Regex[str]]) -> None:
    rows = collection(FailedRow)
    about = [*student.roll_nos, *student.names]
    await rows.update_many({"import_id": import_id, "about": {"$in": about}}, {"$set": _BLANK})
    for pattern in patterns:
        named = [{field: pattern} for field in ("cells", "errors.field", "errors.value", "errors.detail")]
        await rows.update_many({"import_id": import_id, "$or": named}, {"$set": _BLANK})


async def _remove_entries(import_id: Any, student: ErasedStudent, patterns: Iterable[Regex[str]]) -> None:
    """Remove entries from an import's plan. Only changed fields hold other texts than the row's own roll number."""
    named: list[dict[str, Any]] = [{"roll_no": {"$in": list(student.roll_nos)}}]
    named += [{"changes": pattern} for pattern in patterns]
    about = {"entries": {"$or": named}}
    wanted = {"import_id": import_id, "entries": {"$elemMatch": about["entries"]}}
    await collection(PlanPage).update_many(wanted, {"$pull": about})  # one command, because it reads the whole plan


async def _blank_imports(pattern: Regex[str]) -> None:
    imports = collection(Import)
    await imports.update_many({**_ALL, "detail": pattern}, {"$set": {"detail": _REMOVED}})
    await imports.update_many({**_ALL, "findings.detail": pattern}, {"$set": {"findings.$[].detail": _REMOVED}})
    for field in ("header", "columns.name", "findings.column", "options.columns.ignore"):
        await imports.update_many({**_ALL, field: pattern}, {"$set": _WITHOUT_COLUMNS})
    for field in ("sheet", "options.sheet"):
        await imports.update_many({**_ALL, field: pattern}, {"$unset": {field: ""}})
    new, before = {"new_subjects": {"subject": pattern}}, {"subjects_before": pattern}
    await imports.update_many({**_ALL, "new_subjects.subject": pattern}, {"$pull": new})
    await imports.update_many({**_ALL, **before}, {"$pull": before})


def _patterns(student: ErasedStudent) -> Iterator[Regex[str]]:
    """Yield patterns that match the student's names and roll numbers in any text, such as a line of JSON."""
    roll_nos = [roll_no for roll_no in student.roll_nos if len(roll_no) >= _MIN_DISTINCTIVE]
    texts = sorted({spelling for text in (*student.names, *roll_nos) for spelling in _spellings(text)})
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        either = "|".join(map(re.escape, texts[first : first + _TEXTS_AT_ONCE]))
        # No match within another word or number. An ambiguous text such as `ER-101-b` counts as a match.
        yield Regex(rf"(?<![A-Za-z0-9])({either})(?![A-Za-z0-9])", "i")


def _spellings(text: str) -> set[str]:
    composed = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    in_json = {json.dumps(one)[1:-1] for one in composed}
    in_header = {one.encode().decode("latin-1") for one in composed}
    return composed | in_json | in_header
