"""What imports have stored of a student who is erased for good, and how it is removed.

A stored file may name anybody in any spelling, and searching it takes as long as it is large: the files of all imports
are removed, and so are the names of the files. An import at work goes on with its copy on disk; one that is interrupted
can be undone, but not resumed. Failed rows that name the student lose their cells, and their errors.
"""

import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from bson import ObjectId, Regex

from core.database import operation_timeout
from modules.students import ErasedStudent, follow_erasures
from modules.transfers.files import file_store
from modules.transfers.imports import job_runner
from modules.transfers.models import FailedRow, Import

# Shorter roll numbers, such as `7`, are looked for only where a roll number stands: elsewhere they are anything.
_MIN_DISTINCTIVE = 4
_TEXTS_AT_ONCE = 50

# No index helps to find a name in a text: all imports are read, which are those of IMPORT_DAYS. They are read by their
# index, so that no other query is without one unnoticed.
_ALL = {"_id": {"$gte": ObjectId(bytes(12))}}

# Before version 0.2, an idempotency key was stored as it was sent, behind the user's name and a colon; now as a hash.
_KEY_AS_SENT = Regex(":")

_REMOVED = "This named a student who has been erased since."
_BLANK = {"cells": [], "about": [], "errors": [{"field": "", "value": "", "code": "erased", "detail": _REMOVED}]}


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Surround the time in which imports run, and students may be erased."""
    async with follow_erasures("transfers", forget), job_runner.lifespan():
        yield


async def forget(student: ErasedStudent) -> None:
    """Remove what is stored of a student. May be called again after it failed, or though it succeeded."""
    with operation_timeout():
        await file_store.forget_all()
        imports = Import.get_motor_collection()
        roll_nos = list(student.roll_nos)
        await imports.update_many({**_ALL, "kept": {"$in": roll_nos}}, {"$pull": {"kept": {"$in": roll_nos}}})
        await imports.update_many({**_ALL, "filename": {"$exists": True}}, {"$unset": {"filename": ""}})
        await imports.update_many({**_ALL, "key": _KEY_AS_SENT}, {"$unset": {"key": ""}})
    patterns = list(_patterns(student))
    for import_id in await FailedRow.get_motor_collection().distinct("import_id"):
        with operation_timeout():  # for each import anew: so much is stored of one at most
            await _blank_rows(import_id, student, patterns)
    with operation_timeout():
        for pattern in patterns:
            await _blank_imports(pattern)


async def _blank_rows(import_id: Any, student: ErasedStudent, patterns: Iterable[Regex[str]]) -> None:
    rows = FailedRow.get_motor_collection()
    about = [*student.roll_nos, *student.names]
    await rows.update_many({"import_id": import_id, "about": {"$in": about}}, {"$set": _BLANK})
    for pattern in patterns:
        named = [{field: pattern} for field in ("cells", "errors.field", "errors.value", "errors.detail")]
        await rows.update_many({"import_id": import_id, "$or": named}, {"$set": _BLANK})


async def _blank_imports(pattern: Regex[str]) -> None:
    imports = Import.get_motor_collection()
    await imports.update_many({**_ALL, "detail": pattern}, {"$set": {"detail": _REMOVED}})
    await imports.update_many({**_ALL, "header": pattern}, {"$set": {"header": []}})


def _patterns(student: ErasedStudent) -> Iterator[Regex[str]]:
    """Yield patterns that find the student's names and roll numbers in any text, such as a line of JSON."""
    roll_nos = [roll_no for roll_no in student.roll_nos if len(roll_no) >= _MIN_DISTINCTIVE]
    texts = sorted({spelling for text in (*student.names, *roll_nos) for spelling in _spellings(text)})
    for first in range(0, len(texts), _TEXTS_AT_ONCE):
        either = "|".join(map(re.escape, texts[first : first + _TEXTS_AT_ONCE]))
        # Not within another word or number. Where in doubt, such as in `ER-101-b`, it is the student who is meant.
        yield Regex(rf"(?<![A-Za-z0-9])({either})(?![A-Za-z0-9])", "i")


def _spellings(text: str) -> set[str]:
    composed = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
    in_json = {json.dumps(one)[1:-1] for one in composed}
    in_header = {one.encode().decode("latin-1") for one in composed}
    return composed | in_json | in_header
