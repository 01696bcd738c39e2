"""Marks under the stored names of their subjects, in whatever spelling they were written. Every write of marks passes
here: of one student, of a bulk, and of an import."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from core.api import RequestBody, json_pointer
from core.clock import utc_now
from core.database import insert_ignoring_duplicates, stored_form
from core.errors import Conflict, FieldError, InvalidRequest
from modules.students.settings import MarkSettings
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.models import Subject
from modules.students.subject_catalog.spelling import spelling_key

MAX_STORED = 5_000
"""How many subjects there may be: each process keeps them all in memory, and reads them again up to once a second."""

Value = TypeVar("Value", int | float, int | float | None)
Body = TypeVar("Body", bound=RequestBody)


TOO_MANY = f"This would be a new subject, and there are {MAX_STORED:,} already. Use one of them, or merge some."


class EarlierMarksDoNotFit(Conflict):
    """The marks of the earlier version do not fit the subjects of today: one is above its maximum, or two are in what
    is one subject now. `detail` has the subject. Nothing was changed. Change the subject with
    `PUT /subjects/{subject}`, or write the marks that are wanted."""

    title = "Earlier marks do not fit"


def out_of_range(highest: float) -> str:
    """Return the sentence about a mark with the code `mark_range`."""
    return f"A mark lies between 0 and {highest:g}."


def twice(subject: str) -> str:
    """Return the sentence about another spelling of a subject, with the code `subject_twice`."""
    return f'This is another spelling of the subject "{subject}", which is there twice.'


@dataclass(frozen=True, slots=True)
class SubjectError:
    """Why a mark in a subject, as it was written, is refused."""

    subject: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class MatchedMarks(Generic[Value]):
    """Marks by the stored names of their subjects.

    `stored_as` has the stored name of each subject that was written otherwise, and `new` are the subjects with a mark
    that are not stored yet.
    """

    marks: dict[str, Value]
    stored_as: dict[str, str]
    new: list[str]
    errors: list[SubjectError]


def match(marks: Mapping[str, Value], known: SubjectCatalog) -> MatchedMarks[Value]:
    """Return marks under the stored names of their subjects, with an error for each mark above its maximum, each
    subject that occurs twice, and each new subject beyond `MAX_STORED`."""
    found: MatchedMarks[Value] = MatchedMarks({}, {}, [], [])
    unknown: dict[str, str] = {}
    usual = MarkSettings.current().max
    room = MAX_STORED - len(known.names)
    for subject, mark in marks.items():
        name = known.find(subject)
        if name is None:
            name = unknown.setdefault(spelling_key(subject), subject)
            if mark is not None:
                found.new.append(name)
                if len(found.new) > room:
                    found.errors.append(SubjectError(subject, "subjects_full", TOO_MANY))
        if name in found.marks:
            found.errors.append(SubjectError(subject, "subject_twice", twice(name)))
        elif mark is not None and mark > (highest := known.maxima.get(name, usual)):
            found.errors.append(SubjectError(subject, "mark_range", out_of_range(highest)))
        found.marks[name] = mark
        if name != subject:
            found.stored_as[subject] = name
    return found


async def register(subjects: Iterable[str]) -> SubjectCatalog:
    """Store the subjects that are not stored yet, as long as there are fewer than `MAX_STORED`, and return all.

    Of two processes that write different spellings at once, the unique index lets only one store its spelling.
    """
    known = await SubjectCatalog.read()
    new = {spelling_key(subject): subject for subject in subjects if known.find(subject) is None}
    if not new:
        return known
    now, room = utc_now(), max(0, MAX_STORED - len(known.names))
    rows = [
        Subject(spellings=[key], name=name, created_at=now, updated_at=now) for key, name in islice(new.items(), room)
    ]
    await insert_ignoring_duplicates(Subject, [stored_form(row) for row in rows])
    catalog.invalidate()
    return await SubjectCatalog.read()


async def accept_body(data: Body) -> tuple[Body, dict[str, str]]:
    """Return a body with `marks` under the stored names of their subjects, and the stored name of each that was written
    otherwise. Raise `InvalidRequest`."""
    marks: Mapping[str, Any] = getattr(data, "marks")  # noqa: B009  (of several schemas)
    if not marks:
        return data, {}
    matched = match(marks, await SubjectCatalog.read())
    _refuse(matched, lambda subject: json_pointer(["marks", subject]))
    return data.model_copy(update={"marks": matched.marks}), matched.stored_as


async def accept_mark(subject: str, mark: int | float) -> tuple[str, dict[str, str]]:
    """Return the stored name of the subject of one mark, and as in `accept_body`, that name by the given one if they
    differ. Raise `InvalidRequest`."""
    matched = match({subject: mark}, await SubjectCatalog.read())
    _refuse(matched, lambda _: "#/mark")
    return next(iter(matched.marks)), matched.stored_as


def _refuse(matched: MatchedMarks[Any], pointer_of: Callable[[str], str]) -> None:
    if matched.errors:
        raise InvalidRequest(
            errors=[
                FieldError(code=error.code, detail=error.detail, pointer=pointer_of(error.subject))
                for error in matched.errors
            ]
        )


def earlier_marks(marks: Mapping[str, int | float], known: SubjectCatalog) -> dict[str, int | float]:
    """Return the marks of an earlier version under today's names of their subjects. Raise `EarlierMarksDoNotFit`."""
    found = known.respelled(marks)
    for subject, mark in found.items():
        if mark > (highest := known.max_of(subject)):
            raise EarlierMarksDoNotFit(
                f"The earlier mark in {subject} is {mark:g}, and the maximum is {highest:g} now."
            )
    if len(found) < len(marks):
        by_name: dict[str, str] = {}
        for subject in marks:
            other = by_name.setdefault(known.name_of(subject), subject)
            if other != subject and not known.merged.keys() & {subject, other}:
                detail = f"There were marks in {other} and in {subject}, which are one subject now."
                raise EarlierMarksDoNotFit(detail)
    return found


def above_maximum(
    marks: Mapping[str, int | float], before: Mapping[str, int | float], known: SubjectCatalog
) -> list[str]:
    """Return the subjects with a new mark that is above the maximum. What a student had `before` may be above it."""
    earlier = known.respelled(before)
    return [subject for subject, mark in marks.items() if mark > known.max_of(subject) and mark != earlier.get(subject)]
