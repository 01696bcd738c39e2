"""The names of subjects while they are renamed or merged, and while that is undone."""

from collections.abc import Sequence

from pymongo.errors import DuplicateKeyError

from core.api import retry_conflicts
from core.database import collection, insert_ignoring_duplicates
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.models import ConflictRule, OperationKind, Subject, SubjectOperation
from modules.students.subject_catalog.spelling import exact_key, is_exact, spelling_key
from modules.students.subjects import service
from modules.students.subjects.service import SubjectNotFound
from modules.students.subjects.unused import SubjectNameTaken


async def change_names(operation: SubjectOperation) -> None:
    """Change the subjects, unless an interrupted run has done so. Raise `SubjectNameTaken`, and `SubjectNotFound` if
    the subject has been removed."""

    is_merge = operation.kind is OperationKind.MERGE

    async def attempt() -> Subject | None:
        stays = await Subject.get(operation.stays)
        if stays is None:
            removed = operation.target if is_merge else operation.subject
            raise SubjectNotFound(f"The subject {removed} has been removed.")
        if is_merge:
            return await _merge(stays, operation)
        return await _rename(stays, operation.target, operation.by)

    try:
        await retry_conflicts(attempt)
    except DuplicateKeyError:
        taken = operation.subject if is_merge else operation.target
        if is_merge:
            await _put_back(Subject.model_validate(operation.removed))
        raise SubjectNameTaken(f"Another subject has the name {taken}, or one of its aliases.") from None
    finally:
        catalog.invalidate()


async def _rename(subject: Subject, to: str, by: str) -> Subject | None:
    """Give a subject another name; the earlier one becomes an alias."""
    if subject.name == to:
        return subject
    own, *others = subject.spellings
    new = spelling_key(to)
    earlier = [] if is_exact(own) or own == new else [subject.name]
    aliases = [alias for alias in subject.aliases if spelling_key(alias) != new] + earlier
    keys = list(dict.fromkeys([new, *([own] if is_exact(own) else []), *filter(is_exact, others), *_keys(aliases)]))
    changes = {"name": to, "spellings": keys, "aliases": aliases}
    return await subject.change(service.logged(subject, by, changes))


def _keys(aliases: Sequence[str]) -> list[str]:
    return [spelling_key(alias) for alias in aliases]


async def _merge(stays: Subject, operation: SubjectOperation) -> Subject | None:
    """Remove the subject that is merged, and let the one that stays understand its names."""
    gone = Subject.model_validate(operation.removed)
    # Also what a concurrent write has registered under its names, after an earlier attempt.
    again = {"spellings": {"$in": gone.spellings}, "declared": False, "_id": {"$ne": stays.id}}
    await collection(Subject).delete_many({"$or": [{"_id": gone.id}, again]})
    own, *others = stays.spellings
    if is_exact(own) and (plain := spelling_key(stays.name)) in gone.spellings:
        own = plain
    new = {*gone.spellings} - {own, *others}
    aliases = [*stays.aliases, *(one for one in [gone.name, *gone.aliases] if spelling_key(one) in new)]
    keys = list(dict.fromkeys([own, *others, *filter(is_exact, gone.spellings), *_keys(aliases)]))
    rules = dict.fromkeys([gone.name, *gone.aliases], operation.on_conflict or ConflictRule.INTO)
    merged = stays.merged | rules | gone.merged
    changes = {"spellings": keys, "aliases": aliases, "merged": merged}
    if all(getattr(stays, name) == value for name, value in changes.items()):
        return stays
    return await stays.change(service.logged(stays, operation.by, changes))


async def _put_back(gone: Subject) -> None:
    """Store a subject again whose merge has failed, without the names that another subject has taken meanwhile."""
    # Marks that were written in it meanwhile are marks of this subject.
    again = {"spellings": {"$in": gone.spellings}, "declared": False, "_id": {"$ne": gone.id}}
    await collection(Subject).delete_many(again)
    others = await Subject.find({"spellings": {"$in": gone.spellings}, "_id": {"$ne": gone.id}}).to_list()
    taken = {key for other in others for key in other.spellings}
    own, *aliases = gone.spellings
    gone.spellings = [exact_key(gone.name) if own in taken else own, *(key for key in aliases if key not in taken)]
    gone.aliases = [alias for alias in gone.aliases if spelling_key(alias) not in taken]
    gone.version += 1
    await insert_ignoring_duplicates(Subject, [gone.row()])


async def _separate(operation: SubjectOperation) -> None:
    """Undo `_merge`, unless an interrupted run has done so. Raise `SubjectNameTaken` if another subject has one of the
    names now; then nothing has changed."""
    gone = Subject.model_validate(operation.removed)

    async def attempt() -> Subject | None:
        stays = await Subject.get(operation.stays)
        if stays is None or gone.name not in stays.merged:
            return stays or gone
        left = {*stays.spellings} - {*gone.spellings}
        aliases = [alias for alias in stays.aliases if spelling_key(alias) not in gone.spellings]
        own = stays.spellings[0] if stays.spellings[0] in left else exact_key(stays.name)
        keys = list(dict.fromkeys([own, *(key for key in stays.spellings if key in left)]))
        names = {gone.name, *gone.aliases, *gone.merged}
        merged = {name: rule for name, rule in stays.merged.items() if name not in names}
        changes = {"spellings": keys, "aliases": aliases, "merged": merged}
        return await stays.change(service.logged(stays, operation.undone_by or operation.by, changes))

    await retry_conflicts(attempt)
    gone.version += 1
    if await insert_ignoring_duplicates(Subject, [gone.row()]) and await Subject.get(gone.id) is None:
        await change_names(operation)
        raise SubjectNameTaken(f"Another subject has the name or an alias of {gone.name}.")
    catalog.invalidate()


async def restore_names(operation: SubjectOperation) -> None:
    """Undo `change_names`, unless an interrupted run has done so. Raise the same errors."""
    if operation.kind is OperationKind.MERGE:
        await _separate(operation)
    else:
        await change_names(_reversed(operation))


def _reversed(operation: SubjectOperation) -> SubjectOperation:
    """Return the renaming that undoes a renaming."""
    by = operation.undone_by or operation.by
    changes = {"subject": operation.target, "target": operation.subject, "by": by}
    reversed_: SubjectOperation = operation.model_copy(update=changes)
    return reversed_
