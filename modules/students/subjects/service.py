"""Operations on subjects: those that students have marks in, and those that are declared."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from json import dumps
from typing import Any

from pymongo.errors import DuplicateKeyError

from core.api import retry_conflicts
from core.clock import utc_now
from core.database import Page, Window, collection
from core.errors import Conflict, FieldError, InvalidRequest, NotFound
from core.middleware import current_request
from modules.students.models import StudentDocument
from modules.students.records.store import Writer
from modules.students.settings import MarkSettings
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import MAX_STORED, TOO_MANY
from modules.students.subject_catalog.models import UNORDERED, Subject, SubjectChange, SubjectOperation
from modules.students.subject_catalog.spelling import exact_key, is_exact, spelling_key
from modules.students.subjects.schemas import MAX_ALIASES, SubjectWrite
from modules.students.subjects.unused import free_names, student_counts

MAX_LOG = 50

# Of a value in the log: 20 long aliases fit. A subject that is renamed again and again has ever more.
_MAX_SHOWN = 2000


class SubjectNotFound(NotFound):
    """There is no such subject: no student has a mark in it, and it is not declared. `GET /subjects` lists all
    subjects; `PUT /subjects/{subject}` declares one."""

    title = "Subject not found"


class OtherSubject(Conflict):
    """The body has the `name` of another subject than the URL (RFC 9110, section 9.3.4). Leave it out, or rename the
    subject with `POST /subjects/{subject}/rename`."""

    title = "Other subject"


class SubjectBusy(Conflict):
    """The subject is being renamed or merged, or such an operation is being undone. Wait until it has ended;
    `GET /subject-operations` lists the operations."""

    title = "Subject busy"


class MarksAboveMaximum(Conflict):
    """Students have higher marks in the subject than the maximum allows. Nothing was changed. Correct these marks
    (`GET /students?where=marks.SUBJECT>MAXIMUM` lists the students), or choose a higher maximum."""

    title = "Marks above the maximum"


class TooManySubjects(Conflict):
    """There are as many subjects as the service can keep. Merge some with `POST /subjects/{subject}/merge`."""

    title = "Too many subjects"


async def list_(window: Window) -> tuple[Page[Subject], Counter[str]]:
    """Return one page of the subjects that are declared or that students have marks in, and the number of these
    students by subject."""
    counts = await student_counts()
    listed = {"$or": [{"declared": True}, {"name": {"$in": list(counts)}}]}
    found = Subject.find({"$and": [{"order": {"$gte": 0}}, listed, window.filter]}).sort(window.sort)
    return window.page(await found.limit(window.limit + 1).to_list()), counts


async def get(subject: str) -> Subject:
    """Return a subject, given in any spelling or by an alias, that is declared or that students have marks in. Raise
    `SubjectNotFound`."""
    found = await find(subject)
    if not (found.declared or (await student_counts())[found.name]):
        raise _not_found(subject)
    return found


async def find(subject: str) -> Subject:
    """Return the stored subject, also if nobody has a mark in it any more. Raise `SubjectNotFound`."""
    stored = await _find(subject)
    if stored is None:
        raise _not_found(subject)
    return stored


def _not_found(subject: str) -> SubjectNotFound:
    return SubjectNotFound(f"There is no subject {subject}.")


async def _find(subject: str) -> Subject | None:
    found = await Subject.find({"spellings": {"$in": [spelling_key(subject), exact_key(subject)]}}).to_list()
    return min(found, key=lambda one: (one.name != subject, exact_key(subject) not in one.spellings), default=None)


async def put(subject: str, data: SubjectWrite, writer: Writer) -> tuple[Subject, bool]:
    """Declare a subject, and return it and whether it was stored only now.

    Raise `OtherSubject`, `SubjectNameTaken`, `MarksAboveMaximum`, `SubjectBusy`, `TooManySubjects`,
    `PreconditionFailed`, `InvalidRequest` for too many aliases, and `SubjectNotFound` if `If-Match` expects a subject
    that does not exist.
    """

    async def attempt() -> tuple[Subject, bool] | None:
        stored = await _find(subject)
        is_listed = stored and (stored.declared or (await student_counts())[stored.name])
        if not is_listed and writer.expects.if_match:
            raise _not_found(subject)
        if stored is None:
            return await _create(subject, data, writer.name)
        if is_listed:
            writer.expects.check(stored.etag)
        if await SubjectOperation.find({"active": stored.name}).exists():
            raise SubjectBusy
        replaced = await _replace(stored, data, writer.name)
        return replaced and (replaced, not is_listed)

    return await retry_conflicts(attempt)


async def _create(name: str, data: SubjectWrite, by: str) -> tuple[Subject, bool] | None:
    if len((await SubjectCatalog.read()).names) >= MAX_STORED:
        raise TooManySubjects(TOO_MANY)
    new = Subject(name=name, spellings=[spelling_key(name)])
    new = new.model_copy(update=_declared(new, data, by))
    try:
        await new.insert()
    except DuplicateKeyError:
        if not await _find(name):  # otherwise, somebody wrote a mark in it meanwhile
            await _free_aliases(new)
        return None
    finally:
        catalog.invalidate()
    return new, True


async def _replace(stored: Subject, data: SubjectWrite, by: str) -> Subject | None:
    before, after = (highest(one) for one in (stored.max, data.max))
    is_lowered = after < before
    if is_lowered:
        await check_marks(stored.name, after, "#/max")
    changes = _declared(stored, data, by)
    try:
        changed = await stored.change(changes)
    except DuplicateKeyError:
        await _free_aliases(stored.model_copy(update=changes))
        return None
    finally:
        catalog.invalidate()
    if changed and is_lowered:
        # Until now, another process may have accepted marks up to the earlier maximum.
        await asyncio.sleep(catalog.MAX_AGE_SECONDS)
        try:
            await check_marks(stored.name, after, "#/max")
        except MarksAboveMaximum:
            await _restore_maximum(changed, stored.max, by)
            raise
    return changed


async def _restore_maximum(lowered: Subject, maximum: float | None, by: str) -> None:
    async def attempt() -> Subject | None:
        now = await Subject.get(lowered.id)
        if now is None or now.max != lowered.max:  # somebody else has changed it since
            return now or lowered
        return await now.change(logged(now, by, {"max": maximum}))

    await retry_conflicts(attempt)
    catalog.invalidate()


def highest(maximum: float | None) -> float:
    """Return the highest mark of a subject with this maximum, or without one."""
    return MarkSettings.current().max if maximum is None else maximum


async def check_marks(name: str, most: float, pointer: str) -> None:
    """Raise `MarksAboveMaximum`, with a pointer into the body, if a student has a higher mark in a subject."""
    above = {f"marks.{name}": {"$gt": most}, "keys.live": True}
    if students := await collection(StudentDocument).count_documents(above):
        detail = f"The number of students with more than {most:g} in {name}: {students}."
        raise MarksAboveMaximum(detail, errors=[FieldError(code="subject_max_marks", detail=detail, pointer=pointer)])


def _declared(subject: Subject, data: SubjectWrite, by: str) -> dict[str, Any]:
    """Return the changes of a subject that is declared like this. Raise `OtherSubject`, and `InvalidRequest` for new
    aliases beyond `MAX_ALIASES`."""
    if data.name is not None and {exact_key(data.name), spelling_key(data.name)}.isdisjoint(subject.spellings):
        detail = "This must be the subject in the URL, or an alias of it, or be left out."
        raise OtherSubject(errors=[FieldError(code="subject_url", detail=detail, pointer="#/name")])
    own, *others = subject.spellings
    aliases: dict[str, str] = {}
    for alias in data.aliases or ():
        if (key := spelling_key(alias)) != own:
            aliases.setdefault(key, alias)
    if len(aliases) > MAX_ALIASES and not aliases.keys() <= {*others}:
        detail = f"A subject has at most {MAX_ALIASES} aliases, besides those that it has already."
        raise InvalidRequest(errors=[FieldError(code="too_long", detail=detail, pointer="#/aliases")])
    declared = data.model_dump(exclude={"name"}) | {
        "aliases": list(aliases.values()),
        "counts_in_total": data.counts_in_total is not False,
        "spellings": [own, *filter(is_exact, others), *aliases],
        "order": UNORDERED if data.order is None else data.order,
    }
    return logged(subject, by, declared) | {"declared": True}


def logged(subject: Subject, by: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes of a subject, together with the log that tells them."""
    differing = {
        name: value for name, value in changes.items() if name != "spellings" and getattr(subject, name) != value
    }
    what = ", ".join(f"{name}: {_shown(getattr(subject, name))} → {_shown(new)}" for name, new in differing.items())
    return {**changes, "log": [*subject.log, _entry(by, what or "declared")][-MAX_LOG:]}


def _entry(by: str, what: str) -> SubjectChange:
    """Return a log entry with the current request; a job's has the address `local`."""
    request = current_request()
    return SubjectChange(at=utc_now(), by=by, address=request.address, request_id=request.request_id, what=what)


def _shown(value: Any) -> str:
    shown = dumps(None if value == UNORDERED else value, ensure_ascii=False)
    return shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 1] + "…"


async def _free_aliases(wanted: Subject) -> None:
    pointers = {alias: f"#/aliases/{position}" for position, alias in enumerate(wanted.aliases)}
    await free_names(pointers, wanted)
