"""Merging a record into another one, the survivor, when one student has two; and undoing that.

Two documents change, each by an atomic command, so a merge has three steps. First, the next version of the record is
written: it is deleted, and stores what is still to be done (`merge.pending`). Nothing else changes it from then on.
Then the survivor gets the content of both, provided that it still is in the version that was read. Last, `pending` is
removed; if the survivor has changed, the record is restored instead. An undo stores `pending` first, too, then the
survivor gets back its content, then the record is restored. `resume` continues after any of these steps, so whoever
finds a merge that a crash interrupted can finish it; the versions of the survivor tell by their `source` what is done.
"""

from collections.abc import Iterator
from typing import Any

from bson import ObjectId
from pydantic_core import PydanticCustomError

from core.api import UNCONDITIONAL, Preconditions, change_if, json_pointer, retry_conflicts
from core.database import Filter, collection, read_majority
from core.errors import Conflict, FieldError, InvalidRequest
from modules.students.field_changes import differences
from modules.students.fields import check_number_of_subjects
from modules.students.merging.schemas import FieldConflict, MergeProblem, StudentMerge, Value
from modules.students.models import (
    Action,
    Merge,
    PendingMerge,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
)
from modules.students.records import store
from modules.students.records.store import StudentNotFound, Writer
from modules.students.records.write_batch import Outcome, Write, write
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import earlier_marks, out_of_range, twice

_CONTENT = ("name", "branch", "marks")
_UNFINISHED: Filter = {"merge.pending.at": {"$exists": True}, "erasing": None}
_UNDO = "undo of "

MAX_ABSORBED = 100
"""How many records may be merged into one, directly or not: the survivor stores their `_id`s."""


class MergeConflict(Conflict):
    """The two records have different values in the same fields. `conflicts` lists them: choose one of the values for
    each, in `choose`, and send the request again."""

    title = "Merge conflict"
    extension = MergeProblem
    example = {"conflicts": [{"field": "marks.math", "into": 91, "from": 78.5}]}


class NothingToUndo(Conflict):
    """This student's last change is not a merge that can be undone. A merge can be undone until the student changes, or
    the roll number of the merged record is given to another student; `detail` states the reason."""

    title = "Nothing to undo"


async def merge(roll_no: str, data: StudentMerge, writer: Writer) -> StudentSnapshot:
    """Merge the record with this roll number into another one, and return that one.

    The preconditions are checked on the merged record. Raise `StudentNotFound`, `PreconditionFailed`, `MergeConflict`,
    and `InvalidRequest` if `data` names no other student or has a choice that is not valid, or if the student would
    have too many subjects or merged records.
    """
    expects = writer.expects

    async def attempt() -> StudentSnapshot | None:
        nonlocal expects
        record, survivor = await _both(roll_no, data.into, expects)
        assert record.id
        assert survivor.id
        earlier = list(survivor.keys.identities)
        pending = PendingMerge(
            by=writer.name,
            content=_joined(record, survivor, data, await SubjectCatalog.read()),
            absorbed=[record.id, *record.absorbed, *survivor.absorbed],
            identities=survivor.keys.add_former(record.keys.identities).identities,
        )
        begun = Merge(
            source=f"merge {ObjectId()}",
            into=survivor.id,
            version=survivor.version + 1,
            earlier=earlier,
            pending=pending,
        )
        claimed = record.deleted(writer.name, begun.source)
        claimed.merge = begun
        if await write(Write(record, claimed)) is not Outcome.MADE:
            return None
        expects = UNCONDITIONAL  # if the survivor has changed: the preconditions were met on the first attempt
        return await _find(begun.into) if await resume(claimed) else None

    return await retry_conflicts(attempt)


async def _both(roll_no: str, into: str, expects: Preconditions) -> tuple[StudentSnapshot, StudentSnapshot]:
    record = await store.get_majority(roll_no)
    expects.check(record.etag)
    if into == roll_no:
        raise _error("merge_self", "A record cannot be merged into itself.")
    try:
        return record, await store.get_majority(into)
    except StudentNotFound as error:
        raise _error("unknown_reference", error.detail or error.title) from None


def _error(code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[FieldError(code=code, detail=detail, pointer="#/into")])


def _joined(
    record: StudentSnapshot, survivor: StudentSnapshot, data: StudentMerge, known: SubjectCatalog
) -> dict[str, Any]:
    """Return the content of both records. Where they differ, the choices of the request decide."""
    theirs, ours = _content(record, known), _content(survivor, known)
    if len(record.absorbed) + len(survivor.absorbed) >= MAX_ABSORBED:
        raise _error("merge_many", f"At most {MAX_ABSORBED} records can be merged into one.")
    conflicts = {
        field: FieldConflict(field=field, into=our, from_=their)
        for field, our, their in differences(ours, theirs)
        if our is not None and their is not None
    }
    choices = _choices(conflicts, data, known)
    joined = {**ours, "marks": {**theirs["marks"], **ours["marks"]}}
    for field, conflict in conflicts.items():
        choice = choices[field]
        value = conflict.into if choice == "into" else conflict.from_ if choice == "from" else choice
        name, _, subject = field.partition(".")
        if subject:
            joined["marks"][subject] = value
        else:
            joined[name] = value
    try:
        check_number_of_subjects(joined["marks"])
    except PydanticCustomError as error:
        raise _error(error.type, "The student would have too many subjects.") from None
    return joined


def _content(student: StudentSnapshot, known: SubjectCatalog) -> dict[str, Any]:
    """Return the content of a record, with its marks under today's names of their subjects."""
    return {"name": student.name, "branch": student.branch, "marks": known.respelled(student.marks)}


def _choices(conflicts: dict[str, FieldConflict], data: StudentMerge, known: SubjectCatalog) -> dict[str, Value]:
    """Return the choices by the fields in conflict, whose subjects the request may name in any spelling. Raise
    `InvalidRequest` for choices that decide nothing, and `MergeConflict` if one is missing."""
    choices: dict[str, Value] = {}
    wrong: list[FieldError] = []
    for written, choice in data.choose.items():
        name, _, subject = written.partition(".")
        subject = known.name_of(subject.strip())
        field = f"{name}.{subject}" if subject else name
        if field not in conflicts:
            detail = "The two records do not have different values in this field."
            wrong.append(_wrong_choice(written, "merge_choice", detail))
        elif field in choices:
            wrong.append(_wrong_choice(written, "subject_twice", twice(subject)))
        elif not isinstance(choice, str):
            wrong += _wrong_values(written, subject, choice, known)
        choices[field] = choice
    if wrong:
        raise InvalidRequest(errors=wrong)
    left = [conflict for field, conflict in conflicts.items() if field not in choices]
    if left:
        listed = [conflict.model_dump(by_alias=True) for conflict in left]
        detail = f"The records differ in {', '.join(conflict.field for conflict in left)}."
        raise MergeConflict(detail, extensions={"conflicts": listed})
    return choices


def _wrong_values(written: str, subject: str, mark: int | float, known: SubjectCatalog) -> Iterator[FieldError]:
    """Yield an error for a mark that is chosen for a name or a branch, or that is above the maximum."""
    if not subject:
        yield _wrong_choice(written, "merge_choice", "Choose `into` or `from`.")
    elif mark > (highest := known.max_of(subject)):
        yield _wrong_choice(written, "mark_range", out_of_range(highest))


def _wrong_choice(field: str, code: str, detail: str) -> FieldError:
    return FieldError(code=code, detail=detail, pointer=json_pointer(["choose", field]))


async def undo(roll_no: str, writer: Writer) -> StudentSnapshot:
    """Undo the merge that was the last change of this student, and return the student. The merged record is restored.

    The preconditions are checked on the survivor. Raise `StudentNotFound`, `PreconditionFailed`, `NothingToUndo`
    and `EarlierMarksDoNotFit`.
    """
    expects = writer.expects

    async def attempt() -> StudentSnapshot | None:
        nonlocal expects
        survivor = await store.get_majority(roll_no)
        expects.check(survivor.etag)
        record, merged = await _last_merged(survivor)
        if merged.pending:  # its last step is left, or another undo has begun
            await resume(record)
            return None
        merged.pending = await _undoing(record, merged, survivor, writer.name)
        state = {"_id": record.id, "version": record.version, "former": None, "merge.pending.at": {"$exists": False}}
        if not await change_if(StudentDocument, state, {"$set": {"merge.pending": merged.pending.model_dump()}}):
            return None
        expects = UNCONDITIONAL
        return await _find(merged.into) if await resume(record) else None

    return await retry_conflicts(attempt)


async def _last_merged(survivor: StudentSnapshot) -> tuple[StudentSnapshot, Merge]:
    """Return the record that the survivor's current version was merged from."""
    record = await _find(survivor.absorbed[0]) if survivor.absorbed else None
    if record is None or record.merge is None or record.merge.source != survivor.source:
        raise NothingToUndo(f"The last change of the student {survivor.roll_no} is not a merge.")
    if record.former:
        raise NothingToUndo(f"The roll number {record.roll_no} was given to another student.")
    return record, record.merge


async def _undoing(record: StudentSnapshot, merge: Merge, survivor: StudentSnapshot, by: str) -> PendingMerge:
    before = await StudentVersion.find_one({"student": survivor.id, "version": survivor.version - 1})
    assert before, "a replaced version is in the history"
    known = await SubjectCatalog.read()
    for marks in (before.marks, record.marks):
        earlier_marks(marks, known)
    gone = {record.id, *record.absorbed}
    return PendingMerge(
        undo=True,
        by=by,
        content={name: getattr(before, name) for name in _CONTENT},
        absorbed=[one for one in survivor.absorbed if one not in gone],
        identities=merge.earlier,
    )


async def resume(record: StudentSnapshot) -> bool:
    """Finish a merge or an undo that a record has begun, and return whether it was made. If the survivor has changed
    first, take it back. It can be called by several processes at the same time."""
    merge = record.merge
    assert merge, "only a merged record has a merge"
    assert merge.pending, "only an unfinished merge is resumed"
    made = await _write_survivor(merge, merge.pending)
    if made is merge.pending.undo:
        source = _UNDO + merge.source
        content = {"marks": (await SubjectCatalog.read()).respelled(record.marks), "deleted_at": None}
        restored = record.successor(Action.RESTORED, merge.pending.by, merge=None, source=source, **content)
        await write(Write(record, restored))  # a conflict: another process has done it
    else:
        state = {"_id": record.id, "version": record.version, "merge.pending.at": merge.pending.at}
        await change_if(StudentDocument, state, {"$set": {"merge.pending": None}})
    return made


async def _write_survivor(merge: Merge, pending: PendingMerge) -> bool:
    version = merge.version + pending.undo
    source = _UNDO + merge.source if pending.undo else merge.source
    survivor = await _find(merge.into)
    if survivor and survivor.version == version - 1:
        action = Action.RESTORED if pending.undo else Action.UPDATED
        # The subjects may have other names than when the merge or the undo began.
        content = {**pending.content, "marks": (await SubjectCatalog.read()).respelled(pending.content["marks"])}
        following = survivor.successor(action, pending.by, source=source, absorbed=pending.absorbed, **content)
        following.keys.identities = pending.identities
        if await write(Write(survivor, following)) is Outcome.MADE:
            return True
    found = await collection(StudentDocument).find_one({"_id": merge.into, "version": version}, {"source": 1})
    return bool(found and found["source"] == source) or await _has_version(merge.into, version, source)


async def _has_version(student: ObjectId, version: int, source: str) -> bool:
    return await StudentVersion.find_one({"student": student, "version": version, "source": source}) is not None


async def _find(student: ObjectId) -> StudentSnapshot | None:
    stored = await read_majority(StudentDocument).find_one({"_id": student, "erasing": None})
    return StudentSnapshot.of(stored) if stored else None


async def resume_all(survivor: ObjectId | None = None) -> None:
    """Finish the merges and undos that a crash interrupted: all, or those of one survivor."""
    query = _UNFINISHED if survivor is None else {**_UNFINISHED, "merge.into": survivor}
    async for stored in read_majority(StudentDocument).find(query):
        await resume(StudentSnapshot.of(stored))
